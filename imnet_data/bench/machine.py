"""The machine: what it is, and what else it did while something was measured.

Read from Linux's /proc; what cannot be read there is None, and is reported as not known. Source:
the kernel's Documentation/filesystems/proc.rst (stat, self/io, self/clear_refs, self/mountinfo).
"""

from __future__ import annotations

import os
import platform
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import features

from imnet_data.bench.topology import storage_device, topology, usable_cores
from imnet_data.machine import limits, nvidia, provenance
from imnet_data.native import _native

if TYPE_CHECKING:
    from imnet_data.machine.limits import Throttling

_TICKS = os.sysconf("SC_CLK_TCK")  # a second, in /proc/stat
_PROC = Path("/proc")
BUSY_SHARE = 0.05  # of all cores: what others may use before it is said
STOLEN_SHARE = 0.02  # likewise, of what the host of a virtual machine takes


class Times(NamedTuple):
    """Seconds of CPU time."""

    all: float  # of every process, in user and kernel mode; under a quota, of those that share it
    stolen: float  # that the host gave to others while a virtual core wanted to run
    own: float  # of this process and of its children that have ended


class Others(NamedTuple):
    """What others did meanwhile, in cores: 1.0 is one core the whole time."""

    used: float
    stolen: float


class Watch:
    """Watches the machine from its making on."""

    def __init__(self) -> None:
        self._held = _status("VmRSS") if _peak_begins_anew() else None
        self._read = _storage_nbytes()
        self._times = cpu_times()
        self._throttling = limits.throttling()
        self._queued = _queued_seconds()
        self._began = time.perf_counter()

    def others(self) -> Others | None:
        """Return what other processes used so far."""
        now = cpu_times()
        if self._times is None or now is None:
            return None
        return others(self._times, now, seconds=time.perf_counter() - self._began)

    def throttling(self) -> Throttling | None:
        """Return how often the quota of CPU time was used up so far; None where there is none."""
        now = limits.throttling()
        return None if now is None or self._throttling is None else now.since(self._throttling)

    def core_wait_seconds(self) -> float | None:
        """Return how long threads that are there now were ready to run and had no core, summed."""
        now = _queued_seconds()
        if now is None or self._queued is None:
            return None
        return sum(seconds - self._queued.get(thread, 0.0) for thread, seconds in now.items())

    def peak_nbytes(self) -> int | None:
        """Return how far memory rose above what the process held at the beginning."""
        peak = _status("VmHWM")
        return None if peak is None or self._held is None else max(0, peak - self._held)

    def storage_nbytes(self) -> int | None:
        """Return the bytes that this process had fetched from storage, not from the page cache."""
        read = _storage_nbytes()
        return None if read is None or self._read is None else read - self._read


def others(before: Times, after: Times, *, seconds: float) -> Others:
    """Return what other processes used between two readings, in cores."""
    spent = Times(*(late - early for early, late in zip(before, after, strict=True)))
    return Others(max(0.0, (spent.all - spent.own) / seconds), max(0.0, spent.stolen / seconds))


def complaints(
    meanwhile: Others | None,
    *,
    load: float | None,
    cores: float,
    throttling: Throttling | None = None,
) -> list[str]:
    """Yield what made the figures worse than an idle machine's.

    Args:
        meanwhile: over all of the measuring.
        load: load average of the last minute before it; None under a quota, as it is the host's.
        cores: of the machine, or of the quota.
        throttling: over all of the measuring.
    """
    found = []
    if throttling is not None and throttling.throttled:
        found.append(
            f"the quota of {cores:g} cores was used up in {throttling.throttled:,} of "
            f"{throttling.periods:,} periods, and all work paused for the rest of them"
        )
    if meanwhile is None:
        return [
            *found,
            "whether other processes ran meanwhile is not known: /proc/stat cannot be read",
        ]
    if meanwhile.used > BUSY_SHARE * cores:
        found.append(
            f"busy machine: other processes used {meanwhile.used:.1f} of {cores:g} cores "
            "meanwhile; images/s are too low; CPU time per image is less affected"
        )
    elif load is not None and load > 0.5 * cores:
        found.append(f"the load average was {load:.1f} on {cores:g} cores just before")
    if meanwhile.stolen > STOLEN_SHARE * cores:
        found.append(
            f"this machine is virtual, and its host took {meanwhile.stolen:.2f} of {cores:g} "
            "cores away meanwhile; images/s are too low"
        )
    return found


def cpu_times() -> Times | None:
    """Read how much CPU time has been used since the machine's start."""
    try:
        words = (_PROC / "stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft, stolen = (int(word) for word in words[1:9])
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    everyone = (user + nice + system + interrupts + soft) / _TICKS
    sharing = limits.cpu_seconds()
    return Times(
        everyone if sharing is None else sharing,
        stolen / _TICKS,
        time.process_time() + children.ru_utime + children.ru_stime,
    )


def facts() -> dict[str, Any]:
    """Return what the machine is; two reports of the same facts are of the same kind of machine."""
    return {
        "cpu": provenance.processor(),
        "cores": os.cpu_count(),
        "cores_allowed": limits.cores(),
        "cores_to_predict_with": usable_cores(),
        **topology(),
        "cpu_quota": limits.limits().cores,
        "governor": _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "memory_nbytes": limits.memory_nbytes(),
        "memory_limit_nbytes": limits.limits().memory_nbytes,
        "gpu": nvidia.gpus(),
        "gpus_visible": gpus_visible(),
        "simd": _native.simd(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of what does the work, of those that are installed."""
    found = {name: one for name, one in provenance.versions().items() if one is not None}
    return {**found, "libjpeg-turbo": str(features.version_feature("libjpeg_turbo"))}


def gpus_visible() -> int:
    """Return how many NVIDIA GPUs a process here would train on."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return len(nvidia.gpus())
    names = [name for name in chosen.split(",") if name.strip()]
    return names.index("-1") if "-1" in names else len(names)  # CUDA stops at the first wrong one


def storage(path: Path) -> str | None:
    """Name the file system that `path` is on, and its device."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in (_text(_PROC / "self" / "mountinfo") or "").splitlines():
        words = line.split()
        if words[2] == number:
            kind, source = words[words.index("-") + 1 :][:2]
            device_kind = storage_device(path)
            return f"{kind} on {source}" + (f" ({device_kind})" if device_kind else "")
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _queued_seconds() -> dict[str, float] | None:
    """Return by thread how long it waited for a core; see the kernel's sched-stats.rst.

    Those that read ahead do not count: nobody waits for them before they are late.
    """
    found = {}
    for path in (_PROC / "self" / "task").iterdir():
        words = (_text(path / "schedstat") or "").split()
        is_ahead = _text(path / "comm") == _native.READ_AHEAD_THREAD
        if len(words) == 3 and not is_ahead:  # a thread may be gone
            found[path.name] = int(words[1]) / 1e9
    return found or None


def _status(name: str) -> int | None:
    return _field(_PROC / "self" / "status", name, unit=1024)


def _storage_nbytes() -> int | None:
    return _field(_PROC / "self" / "io", "read_bytes", unit=1)


def _field(path: Path, name: str, *, unit: int) -> int | None:
    for line in (_text(path) or "").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * unit
    return None


def _peak_begins_anew() -> bool:
    """Reset the kernel's record of the highest memory; return whether that is allowed."""
    try:
        (_PROC / "self" / "clear_refs").write_text("5")
    except OSError:
        return False
    return True
