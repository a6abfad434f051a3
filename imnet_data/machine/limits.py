"""What this process may use of the machine: cores and memory, also under a container's limits.

Control groups of version 1 and 2 are read as the kernel describes them in
Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, Documentation/scheduler/
sched-bwc.rst and cgroups(7). A limit of any group above counts as much as that of our own.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/")
_UNLIMITED = 1 << 62  # bytes; without a limit, version 1 has 2^63 less a page


class Limits(NamedTuple):
    """What control groups allow; None where they allow all that there is."""

    cores: float | None
    memory_nbytes: int | None


class Throttling(NamedTuple):
    """How often a quota of CPU time stopped this process's groups, since they were made."""

    periods: int  # in which it had work
    throttled: int  # of them, those whose quota was used up
    seconds: float  # that all cores together stood still in them

    def since(self, before: Throttling) -> Throttling:
        """Return what came after another reading."""
        return Throttling(
            self.periods - before.periods,
            self.throttled - before.throttled,
            self.seconds - before.seconds,
        )


def cores() -> int:
    """Return the number of cores that this process may use, by its affinity and its quota."""
    return math.ceil(cpu_cores())


def cpu_cores(root: Path = _ROOT) -> float:
    """Return the cores' worth of CPU time that this process may use: 1.5 under such a quota."""
    affinity = len(os.sched_getaffinity(0))
    quota = limits(root).cores
    return affinity if quota is None else min(affinity, quota)


def memory_nbytes(root: Path = _ROOT) -> int:
    """Return the memory that this process may use, the page cache of what it reads included."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = limits(root).memory_nbytes
    return physical if limit is None else min(physical, limit)


def limits(root: Path = _ROOT) -> Limits:
    """Return the tightest limits of the control groups that this process is in.

    Args:
        root: the folder that has `proc` and `sys`.
    """
    quotas = [quota for group in _groups(root, "cpu") if (quota := _quota(group)) is not None]
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    sizes = [
        int(text)
        for group in _groups(root, "memory")
        for name in names
        if (text := _text(group / name)).isdigit()  # version 2 has "max" where there is no limit
    ]
    return Limits(
        min(quotas, default=None), min((one for one in sizes if one < _UNLIMITED), default=None)
    )


def throttling(root: Path = _ROOT) -> Throttling | None:
    """Return how often the quota with the most stops was used up; None where there is none."""
    found = [
        Throttling(
            int(fields["nr_periods"]),
            int(fields["nr_throttled"]),
            # microseconds, of version 1 nanoseconds
            int(fields.get("throttled_usec", 0)) / 1e6 + int(fields.get("throttled_time", 0)) / 1e9,
        )
        for group in _groups(root, "cpu")
        if _quota(group) is not None
        and {"nr_periods", "nr_throttled"} <= (fields := _fields(group / "cpu.stat")).keys()
    ]
    return max(found, key=lambda one: one.throttled, default=None)


def cpu_seconds(root: Path = _ROOT) -> float | None:
    """Return the CPU time of all processes that share this one's quota; None where there is none.

    Of several groups with a quota, that is the one nearest to this process.
    """
    found = None
    for group in _groups(root, "cpu"):
        if _quota(group) is None:
            continue
        if "usage_usec" in (fields := _fields(group / "cpu.stat")):
            found = int(fields["usage_usec"]) / 1e6
        elif (text := _text(group / "cpuacct.usage")).isdigit():
            found = int(text) / 1e9
    return found


def _quota(group: Path) -> float | None:
    """Return the cores' worth of time that a group may use."""
    words = _text(group / "cpu.max").split()  # version 2: "max 100000" or "150000 100000"
    if not words:
        words = [_text(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    if len(words) != 2 or not all(map(str.isdigit, words)) or int(words[1]) == 0:
        return None  # "max", and version 1's -1, are no limit
    return int(words[0]) / int(words[1]) or None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of those above it that can be seen."""
    paths = dict(_memberships(root))
    for is_v2, controllers, mounted, top in _mounts(root):
        if not is_v2 and controller not in controllers:
            continue
        path = paths.get("" if is_v2 else controller)
        if path is None:
            continue
        group = root / top.relative_to("/")
        # a container may see its own group alone, mounted as the top
        below = path.relative_to(mounted) if path.is_relative_to(mounted) else Path()
        yield group
        for part in below.parts:
            if part == "..":  # a group outside of the namespace of this process
                break
            group /= part
            yield group


def _memberships(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the group of each controller of version 1, and as "" that of version 2."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, Path(path)


def _mounts(root: Path) -> Iterator[tuple[bool, list[str], Path, Path]]:
    """Yield the mounts of control groups: version 2 or not, options, what of it, and where."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split(" ", 1)[0]
        if kind in ("cgroup", "cgroup2"):
            mounted, top = before.split()[3:5]
            yield kind == "cgroup2", after.split()[-1].split(","), Path(mounted), Path(top)


def _fields(path: Path) -> dict[str, str]:
    lines = (line.split() for line in _text(path).splitlines())
    return {words[0]: words[1] for words in lines if len(words) == 2}


def _text(path: Path) -> str:
    """Return the content of a file of the kernel; nothing where there is none to be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
