"""Which part of a conversion this process does: as it is told, or as a job array numbers it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Job = TypeVar("Job")

AUTO = "auto"
_PART = re.compile(r"(\d{1,9})/(\d{1,9})")
_ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
_STEP = "SLURM_ARRAY_TASK_STEP"
_MAX = "SLURM_ARRAY_TASK_MAX"
# rank and size of what one launcher has started, the innermost launcher first; srun's count is that
# of its step, as SLURM_NTASKS may be a whole job's, and a job script has it without any srun
_RANKS = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
)


class Part(NamedTuple):
    """One of the parts of a conversion."""

    number: int  # 1 is the first
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def of(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return the jobs of this part; large splits are spread over all parts."""
        return jobs[self.number - 1 :: self.total]


class _Numbered(NamedTuple):
    position: int  # 0 is the first
    total: int
    variable: str


def chosen(part: str) -> tuple[Part, str]:
    """Return the part that is asked for, "3/16" or "auto", and what says so.

    Raises:
        ValueError: if it is neither, or the environment does not number this process.
    """
    if part == AUTO:
        return _found()
    matched = _PART.fullmatch(part)
    if matched is None or not 1 <= int(matched[1]) <= int(matched[2]):
        raise ValueError(
            f"part is {part!r}; allowed are {AUTO}, and a part and the number of parts, from 1/16 "
            "to 16/16"
        )
    return Part(int(matched[1]), int(matched[2])), "as told"


def _found() -> tuple[Part, str]:
    """Return the part by the environment: that of the array, and in it that of the launcher."""
    array = _of_array()
    launched = next((_of_rank(*names) for names in _RANKS if _is_launched(*names)), None)
    if array is None and launched is None:
        raise ValueError(
            f"part is {AUTO}, and the environment has no number for this process: there are no "
            f"{' and '.join(_ARRAY)}, and no {', '.join('/'.join(names) for names in _RANKS)}; "
            "pass part and number of parts, as 3/16"
        )
    outer, inner = array or _Numbered(0, 1, ""), launched or _Numbered(0, 1, "")
    part = Part(outer.position * inner.total + inner.position + 1, outer.total * inner.total)
    return part, " and ".join(each.variable for each in (outer, inner) if each.variable)


def _of_array() -> _Numbered | None:
    """Return this task of a Slurm array."""
    if _ARRAY[0] not in os.environ:
        return None
    task, first, count = map(_number, _ARRAY)
    step = _number(_STEP) if os.environ.get(_STEP) else 1
    last = _number(_MAX) if os.environ.get(_MAX) else first + (count - 1) * step
    index, rest = divmod(task - first, max(1, step))
    if rest or not 0 <= index < count or last != first + (count - 1) * step:
        raise ValueError(
            f"the job array has {count} tasks, from {first} to {last}, which is not a range, so "
            f"task {task} has no part of its own; pass part and number of parts, as 3/16"
        )
    return _Numbered(index, count, _ARRAY[0])


def _is_launched(rank: str, count: str) -> bool:
    if rank == "JOB_COMPLETION_INDEX" and rank in os.environ and count not in os.environ:
        raise ValueError(
            f"{rank} is {os.environ[rank]}, and Kubernetes does not say of how many; set {count} "
            "in the container to the Job's completions, or pass part and number of parts, as 3/16"
        )
    return rank in os.environ and count in os.environ


def _of_rank(rank: str, count: str) -> _Numbered:
    index, of = _number(rank), _number(count)
    if not 0 <= index < of:
        raise ValueError(
            f"{rank} is {index} and {count} is {of}, which numbers no part; pass part and number "
            "of parts, as 3/16"
        )
    return _Numbered(index, of, rank)


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"{variable} is {text!r} in the environment, which is not a number; pass part and "
            "number of parts, as 3/16"
        ) from None
