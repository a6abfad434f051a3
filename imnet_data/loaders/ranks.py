"""Which of the processes that train together this one is, and how many there are.

torch.distributed knows, where it is imported and initialised; otherwise the variables of a launcher
do. The innermost launcher comes first: srun may run torchrun or mpirun, and its variables stay set.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from imnet_data.machine import limits
from imnet_data.machine.closing import Closing

if TYPE_CHECKING:
    from imnet_data.loaders.schedule import Schedule


class Ranks(NamedTuple):
    """One process of several, and who says so."""

    rank: int
    world_size: int
    origin: str  # for errors; "" where nobody has said anything


class _Launcher(NamedTuple):
    name: str
    rank: str
    world_size: str  # of srun the number of tasks in this step: SLURM_NTASKS may be a whole job's


_LAUNCHERS = (
    _Launcher("torchrun", "RANK", "WORLD_SIZE"),
    _Launcher("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    _Launcher("MPI", "PMI_RANK", "PMI_SIZE"),
    _Launcher("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
_PASSED = "the arguments rank and world_size"


def of_group() -> Ranks | None:
    """Return what torch.distributed has, where it is initialised; never imports torch."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return Ranks(distributed.get_rank(), distributed.get_world_size(), "torch.distributed")


def of_launcher() -> Ranks | None:
    """Return what the variables of a launcher say.

    Raises:
        ValueError: if they are no numbers, or not those of a rank.
    """
    for launcher in _LAUNCHERS:
        if launcher.rank in os.environ and launcher.world_size in os.environ:
            rank, world_size = _number(launcher.rank), _number(launcher.world_size)
            if not 0 <= rank < max(1, world_size):
                raise ValueError(
                    f"{launcher.rank} is {rank} and {launcher.world_size} is {world_size}, which "
                    "is not a rank; unset both, or pass rank and world_size"
                )
            said = f"{launcher.name} ({launcher.rank})"
            return Ranks(rank, world_size, said if world_size > 1 else "")
    return None


def chosen(rank: int | None, world_size: int | None) -> Ranks:
    """Return what the caller says, completed by the process group or the launcher.

    Raises:
        ValueError: if the process group says something else than the caller.
    """
    found = of_group() or of_launcher() or Ranks(0, 1, "")
    if rank is None and world_size is None:
        return found
    passed = Ranks(
        found.rank if rank is None else rank,
        found.world_size if world_size is None else world_size,
        _PASSED,
    )
    if found.origin == "torch.distributed":
        _require_agreement(passed, found)
    return passed


def threads_of_rank() -> int:
    """Return this process's share of the machine's cores, at least 1.

    torchrun lets all ranks use all cores; srun and mpirun may bind each to cores of its own.
    """
    if ranks := _number("LOCAL_WORLD_SIZE"):
        return max(1, limits.cores() // ranks)
    available = os.cpu_count() or 1
    ranks = _number("OMPI_COMM_WORLD_LOCAL_SIZE") or _number("MPI_LOCALNRANKS")
    if not ranks and _number("SLURM_STEP_NUM_TASKS") > 1:
        ranks = _number("SLURM_NTASKS_PER_NODE") or _tasks_per_node()
        available = _number("SLURM_CPUS_ON_NODE") or available
    quota = limits.limits().cores or available  # of all ranks: they are in one container
    return min(limits.cores(), max(1, math.ceil(min(available, quota)) // max(1, ranks)))


def _tasks_per_node() -> int:
    """Return the most tasks of this step on a node; Slurm has them as in 4(x2),3."""
    counts = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "1").split(",")
    return max(int(count.partition("(")[0]) for count in counts)


def _number(variable: str) -> int:
    text = os.environ.get(variable, "0")
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{variable} is {text!r} in the environment, which is not a number; unset it"
        ) from None


def _require_agreement(ours: Ranks, group: Ranks) -> None:
    if ours[:2] == group[:2]:
        return
    said = f"{ours.origin} said" if ours.origin else "the loader was used as"
    raise ValueError(
        f"{said} rank {ours.rank} of {ours.world_size}, and torch.distributed has rank "
        f"{group.rank} of {group.world_size}; open the loader after init_process_group, without "
        "rank and world_size. For ranks that are to differ from the group's, pass a CpuLoader a "
        "Schedule: it is not checked"
    )


class Ranked(Closing):
    """A loader of one rank's batches.

    Where nobody has said which rank this is, a process group that is made after the loader says it,
    until the loader is used. From then on, it must not say anything else.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.ranks: Ranks | None = None  # where `open_loader` has them from; None is not checked
        self._schedule = schedule
        self._is_used = False

    @property
    def schedule(self) -> Schedule:
        """Which records come when.

        Raises:
            ValueError: if torch.distributed has another rank or world size.
        """
        if self.ranks is None:
            return self._schedule
        group = of_group()
        if group is not None and not self.ranks.origin and not self._is_used:
            self._schedule = dataclasses.replace(
                self._schedule, rank=group.rank, world_size=group.world_size
            )
            self.ranks = group
        elif group is not None:
            _require_agreement(self.ranks, group)
        self._is_used = True
        return self._schedule

    def make_ranks_alike(self) -> None:
        """Make batches equal on all ranks: with several ranks, "ragged" becomes "wrap"."""
        if self.schedule.world_size > 1 and self._schedule.last == "ragged":
            self._schedule = dataclasses.replace(self._schedule, last="wrap")

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "a loader holds no position, so it is not iterable itself: write `for images, labels, "
            "indices in loader.epoch(0)`, or `for images, labels in TorchLoader(loader)`, which "
            "gives one epoch after another"
        )

    @property
    def batch_size(self) -> int:
        """Records in a batch of one rank; reading it is no use of the loader."""
        return self._schedule.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether records that do not fill a batch are left out; reading it is no use either."""
        return self._schedule.last == "drop"

    @property
    def are_batches_full(self) -> bool:
        """Whether every batch has `batch_size` records; reading it is no use either."""
        return self._schedule.last != "ragged"
