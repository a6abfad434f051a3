"""What a figure or a training run was made with: versions and processor."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    *("imnet-data", "numpy", "pillow", "torch", "torchvision", "timm"),
    *("nvidia-dali-cuda120", "nvidia-dali-cuda130"),
)


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that do the work; None for one not here."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def processor() -> str:
    """Name the processor's model as Linux has it, or its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
