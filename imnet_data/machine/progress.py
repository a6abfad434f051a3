"""How far long work has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """How far a task has come; the argument of a progress callback."""

    task: str
    done: int
    total: int  # 0 where it is not known
    done_nbytes: int = 0
    total_nbytes: int = 0
    message: str = ""  # a line to be kept, where there is news


Progress = Callable[[Step], None]  # called several times a second


def no_progress(step: Step) -> None:
    """Show nothing."""
