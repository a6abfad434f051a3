"""Whether the GPU stack fits together: the driver, and the CUDA that DALI and torch are built for.

A driver runs what is built for its own major version of CUDA or an earlier one. Source: NVIDIA,
"CUDA Compatibility", sections on backward and minor version compatibility.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import numpy as np

from imnet_data.installation.build import optional
from imnet_data.loaders import dali_memory, ranks
from imnet_data.machine import nvidia

_DALI = re.compile(r"nvidia-dali-cuda(\d+)0")
_TORCH_CUDA = re.compile(r"""^cuda\b[^=\n]*=\s*["'](\d+\.\d+)["']""", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The parts that have to fit."""

    devices: list[str]  # name, driver and memory of each GPU
    driver_cuda: str | None  # the latest CUDA that the driver runs; None without a driver
    dali: list[str]  # the distributions of DALI that are installed
    torch: bool  # whether it is installed
    torch_cuda: str | None  # what it is built for; None without CUDA


def stack() -> Stack:
    """Return the parts that this machine has."""
    torch = util.find_spec("torch")
    return Stack(
        devices=nvidia.gpus(),
        driver_cuda=nvidia.driver_cuda(),
        dali=[each.name for each in optional() if _DALI.match(each.name) and each.version],
        torch=torch is not None,
        torch_cuda=None if torch is None or torch.origin is None else torch_cuda(torch.origin),
    )


def torch_cuda(origin: str) -> str | None:
    """Return the CUDA that the torch at `origin` is built for; importing it would take seconds."""
    try:
        written = Path(origin).with_name("version.py").read_text()
    except OSError:
        return None
    matched = _TORCH_CUDA.search(written)
    return matched[1] if matched else None


def misfits(found: Stack) -> list[str]:
    """Return what does not fit together, and what to do about it."""
    if len(found.dali) > 1:
        names = " ".join(found.dali)
        wrong = [
            f"{' and '.join(found.dali)} share a folder: run `pip uninstall {names}`, then "
            "install one of them"
        ]
    else:
        wrong = []
    if found.driver_cuda is None:
        return wrong
    driver = _major(found.driver_cuda)
    wrong += [_dali_misfit(name, found.driver_cuda) for name in found.dali if _cuda(name) > driver]
    if found.torch and found.torch_cuda is None:
        wrong.append(
            "torch is built without CUDA, and device='cuda' fails: install a build for CUDA "
            f"{driver}, see https://pytorch.org/get-started/locally/"
        )
    elif found.torch_cuda is not None and _major(found.torch_cuda) > driver:
        wrong.append(
            f"torch is built for CUDA {found.torch_cuda}, and the driver runs {found.driver_cuda} "
            f"at most: update the driver, or install a torch for CUDA {driver}"
        )
    return wrong


def text(found: Stack) -> list[str]:
    """Return lines about the GPUs and what is built for them."""
    if found.driver_cuda is None and not found.devices:
        return ["There is no NVIDIA GPU here, or no driver for one. Everything runs on the CPU."]
    return [
        *(found.devices or ["nvidia-smi lists no GPU."]),
        f"driver: runs CUDA {found.driver_cuda or '(version not known)'}",
        f"DALI: {', '.join(found.dali) or 'not installed'}",
        *([f"  allocates ahead for ImageNet: {dali_plan()}"] if found.dali else []),
        f"torch: {_torch_text(found)}",
    ]


def dali_plan() -> str:
    """Return what DALI would allocate ahead in a process here, for ImageNet's largest image."""
    widths, heights = (np.array([side]) for side in dali_memory.LARGEST_OF_IMAGENET)
    threads = dali_memory.decoding_threads(ranks.threads_of_rank(), device_id=0)
    return str(dali_memory.planned(widths, heights, threads=threads))


def _dali_misfit(name: str, driver: str) -> str:
    return (
        f"{name} needs a driver for CUDA {_cuda(name)}, and this one runs {driver} at most: "
        f"update the driver, or run `pip uninstall {name}` and, in a clone, "
        "`pip install '.[dali-cuda12]'`"
    )


def _torch_text(found: Stack) -> str:
    if not found.torch:
        return "not installed"
    return f"built for CUDA {found.torch_cuda}" if found.torch_cuda else "built without CUDA"


def _cuda(dali: str) -> int:
    matched = _DALI.match(dali)
    return int(matched[1]) if matched else 0


def _major(version: str) -> int:
    return int(version.partition(".")[0])
