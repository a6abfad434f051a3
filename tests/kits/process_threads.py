"""Threads of this process, by their ids: those of earlier tests may still be on their way out."""

import time
from pathlib import Path


def own_threads() -> set[str]:
    return {path.name for path in Path("/proc/self/task").iterdir()}


def left_after_a_while(started: set[str]) -> set[str]:
    """Those of `started` that have not ended; a thread that was joined leaves the list later."""
    deadline = time.monotonic() + 60
    while started & own_threads() and time.monotonic() < deadline:
        time.sleep(0.001)
    return started & own_threads()
