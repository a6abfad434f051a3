"""NVIDIA's GPUs and driver, found without a library of CUDA."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

DRIVER = "libcuda.so.1"


def gpus() -> list[str]:
    """Name the NVIDIA GPUs, with driver and memory, as nvidia-smi does."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run([program, *query], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def driver_cuda(library: str = DRIVER) -> str | None:
    """Return the latest CUDA that the driver runs, such as "13.0"; None without a driver."""
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL(library).cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):  # there is no such library, or it is not the driver's
        return None
    return None if failed else f"{version.value // 1000}.{version.value % 1000 // 10}"
