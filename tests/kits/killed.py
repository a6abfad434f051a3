"""Work in a process that is killed, with those that it has started, at a moment of its own doing.

What a moment is does not depend on how quick anything is: it is counted in what the process does.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

Moment = Callable[[str, str], bool]  # what Python tells audit hooks, and the first path it names


def killed(work: Callable[[], object], moment: Moment) -> bool:
    """Do `work` in a process that is killed at a moment; return whether the moment came."""
    process = multiprocessing.get_context("fork").Process(target=_do, args=(work, moment))
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def _do(work: Callable[[], object], moment: Moment) -> None:
    os.setpgid(0, 0)

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event in _EVENTS and moment(event, str(arguments[_EVENTS[event]])):
            kill()

    sys.addaudithook(look)
    work()


def kill() -> None:
    """End this process, and those that it has started and that have started it for `killed`."""
    os.killpg(0, signal.SIGKILL)


_EVENTS = {"os.rename": 1, "os.mkdir": 0, "open": 0}  # which argument is the path that is made


def at_rename(pattern: str, count: int) -> Moment:
    """Return the moment before a process renames something to such a name the count-th time."""

    left = count

    def is_now(event: str, path: str) -> bool:
        nonlocal left
        left -= event == "os.rename" and Path(path).match(pattern)
        return left == 0

    return is_now


def after_calls(count: int, *, since: str) -> Moment:
    """Return the moment when a process has called so many functions since it made such a path."""

    left = count

    def called(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            kill()

    def is_now(event: str, path: str) -> bool:
        if Path(path).match(since):
            sys.setprofile(called)
        return False

    return is_now
