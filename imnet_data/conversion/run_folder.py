"""A folder on this machine for one run of a conversion to a store; nothing in it is resumed from.

A run holds a lock in its folder. One that was killed has left the lock free, so the next run with
the same parent removes what it has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.conversion.refused import FILE_NAME as REFUSED
from imnet_data.errors import ConvertError
from imnet_data.machine import files

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "imnet-data-stage-"
_LOCK = "lock"


@contextmanager
def made(parent: Path | None) -> Iterator[Path]:
    """Make a folder below `parent`, or the system's temporary folder; remove it at the end.

    Only a list of refused images stays.

    Raises:
        ConvertError: if it cannot be written.
    """
    parent = parent or Path(tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob(f"{_PREFIX}*/{_LOCK}"):
            _remove_left(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with (parent / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(folder / _LOCK)
            try:
                yield folder
            finally:
                for path in folder.iterdir():
                    if path.name != REFUSED:
                        files.remove(path)
                with contextlib.suppress(OSError):  # the list is in it
                    folder.rmdir()
    except OSError as error:
        raise ConvertError(
            f"{error.filename or parent}: cannot be written ({error.strerror or error}); make room "
            "there, or pass another folder as --stage"
        ) from error


def _remove_left(lock: Path) -> None:
    # it is held, gone, or somebody else's
    with contextlib.suppress(OSError), lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
