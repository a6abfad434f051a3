"""A folder of temporary files for one run, from which none is resumed.

A run holds a lock in its folder. One that was killed has left the lock free, so the next run with
the same parent removes what it has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path

from imnet_data.machine import files
from imnet_data.machine.closing import Closing

_PREFIX = "imnet-data-run-"
_LOCK = "lock"


class TemporaryFolder(Closing):
    """A folder that is removed at the end, or by a later run."""

    def __init__(self, parent: Path | None = None, *, keeps: str = "") -> None:
        """Make it, and remove those of runs that were killed.

        Args:
            parent: the folder that it is in; by default the system's for temporary files.
            keeps: the name of a file in it that stays at the end.

        Raises:
            OSError: if it cannot be made.
        """
        parent = parent or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob(f"{_PREFIX}*/{_LOCK}"):
            _remove_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._keeps = keeps
        self._lock = (parent / f"{self.path.name}.{_LOCK}").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        Path(self._lock.name).rename(self.path / _LOCK)

    def close(self) -> None:
        """Remove it, but for the file that stays."""
        for path in self.path.iterdir():
            if path.name != self._keeps:
                files.remove(path)
        with contextlib.suppress(OSError):  # the file is in it
            self.path.rmdir()
        self._lock.close()


def _remove_left(lock: Path) -> None:
    # it is held, gone, or somebody else's
    with contextlib.suppress(OSError), lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
