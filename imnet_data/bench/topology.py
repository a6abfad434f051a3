"""The processor's cores, and where this program runs, as Linux shows them below /sys and /proc.

Source: the kernel's Documentation/admin-guide/cputopology.rst, and the files that container
engines document: /.dockerenv of Docker, /run/.containerenv of Podman.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from imnet_data.machine.limits import limits

_ROOT = Path("/")
_VIRTUAL = ("vd", "xvd", "nbd", "rbd")  # of virtio, Xen, network and Ceph block devices


def topology(root: Path = _ROOT) -> dict[str, Any]:
    """Return what the cores are that this process may use; None for what is not shown.

    Args:
        root: the folder that has `proc` and `sys`.
    """
    allowed = sorted(os.sched_getaffinity(0))
    places = [
        (_text(folder / "physical_package_id"), _text(folder / "core_id"))
        for number in allowed
        if (folder := root / f"sys/devices/system/cpu/cpu{number}/topology").is_dir()
    ]
    physical = len(set(places)) if len(places) == len(allowed) else None
    return {
        "physical_cores": physical,
        "threads_per_core": len(allowed) / physical if physical else None,
        "sockets": len({socket for socket, _ in places}) or None,
        "numa_nodes": len([*root.glob("sys/devices/system/node/node[0-9]*")]) or None,
        "megahertz": _megahertz(root),
        "container": _container(root),
    }


def usable_cores(root: Path = _ROOT) -> float:
    """Return the physical cores' worth of CPU time to predict with: a quota may allow less.

    Two threads of one core share its units, so that the second adds less than the first.
    """
    physical = topology(root)["physical_cores"] or len(os.sched_getaffinity(0))
    quota = limits(root).cores
    return float(physical if quota is None else min(physical, quota))


def storage_device(path: Path, root: Path = _ROOT) -> str | None:
    """Return the kind and the model of the device that `path` is on; None if it is not known."""
    number = path.stat().st_dev
    block = root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
    for folder in (block, block.resolve().parent):  # of a partition, the disk is above
        kind = _text(folder / "queue/rotational")
        if kind is not None:
            spins = "spinning disk" if kind == "1" else "no spinning disk"
            # of a virtual one, the flag says nothing of the disk below
            words = ["virtual disk" if folder.resolve().name.startswith(_VIRTUAL) else spins]
            return ", ".join([*words, *filter(None, [_text(folder / "device/model")])])
    return None


def _megahertz(root: Path) -> float | None:
    """Return the clock rate of the fastest core at this moment."""
    lines = (_text(root / "proc/cpuinfo") or "").splitlines()
    rates = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return max(rates, default=None)


def _container(root: Path) -> str | None:
    for name, sign in (("docker", ".dockerenv"), ("podman", "run/.containerenv")):
        if (root / sign).exists():
            return name
    words = (_text(root / "proc/self/cgroup") or "").replace("-", "/").replace(":", "/").split("/")
    kinds = ("docker", "kubepods", "lxc", "libpod", "slurm")
    found = [kind for kind in kinds if any(word.startswith(kind) for word in words)]
    return found[0] if found else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
