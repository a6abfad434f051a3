"""How far long work has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Step(NamedTuple):
    """How far a task has come; what a progress callback is given."""

    task: str
    done: int
    total: int  # 0 where it is not known
    done_nbytes: int = 0
    total_nbytes: int = 0


def steps(progress: Callable[[Step], None]) -> Callable[[str, int, int], None]:
    """Return a callback for work that is not counted in bytes: task, done, total."""
    return lambda task, done, total: progress(Step(task, done, total))
