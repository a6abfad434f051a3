"""How far long work has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """How far a task has come; what a progress callback is given."""

    task: str
    done: int
    total: int  # 0 where it is not known
    done_nbytes: int = 0
    total_nbytes: int = 0
    message: str = ""  # a line to be kept, where there is news


Progress = Callable[[Step], None]  # called several times a second


def no_progress(step: Step) -> None:
    """Show nothing."""


def steps(progress: Progress) -> Callable[[str, int, int], None]:
    """Return a callback for work that is not counted in bytes: task, done, total."""
    return lambda task, done, total: progress(Step(task, done, total))
