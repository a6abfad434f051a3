"""The stage of a conversion: `OUT/.part`, where all lies that is not finished.

When everything on it is whole and on disk, it is renamed into place, dataset.json last: so a folder
without dataset.json is never taken for a dataset, and a run that is killed while renaming goes on.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.dataset import description, opened
from imnet_data.dataset.layout import LABELS, SUMS
from imnet_data.errors import ConvertError, ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.dataset.description import Description

NAME = ".part"
_LOCK = "lock"
_BOOT = "boot"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"  # random(4)


@contextmanager
def held(out: Path, *, force: bool) -> Iterator[Path]:
    """Make `out` and its stage, held by this process alone; the stage goes when it is unused.

    Raises:
        ConvertError: if `out` has other things in it, is in use, or cannot be written.
    """
    stage = out / NAME
    try:
        _refuse_strangers(out)
        stage.mkdir(parents=True, exist_ok=True)
        with (stage / _LOCK).open("w") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConvertError(f"{out}: another conversion is writing there") from error
            if force:
                _clear(out)
            try:
                yield stage
            finally:
                _remove_unused(out)
    except OSError as error:
        raise ConvertError(f"{out}: cannot be written ({error.strerror or error})") from error


def _refuse_strangers(out: Path) -> None:
    names = [path.name for path in out.iterdir()] if out.exists() else []
    if names and NAME not in names and not opened.is_dataset(out):
        raise ConvertError(
            f"{out}: is neither empty (there is {names[0]}) nor a dataset; choose another OUT"
        )


def _clear(out: Path) -> None:
    """Remove a dataset, what is on the stage, and nothing else."""
    for path in (out / NAME).iterdir():
        if path.name != _LOCK:
            _remove(path)
    if opened.is_dataset(out):
        try:
            splits: Sequence[str] = tuple(description.read(out).splits)
        except ManifestError:
            splits = ("train", "val", "test")
        for name in (description.FILE_NAME, SUMS, LABELS, *splits):
            _remove(out / name)


def _remove_unused(out: Path) -> None:
    """Remove the stage if nothing has to go on from it, and `out` if it is empty then."""
    stage = out / NAME
    if opened.is_dataset(out) or {path.name for path in stage.iterdir()} <= {_LOCK, "spool"}:
        shutil.rmtree(stage)
    if not any(out.iterdir()):
        out.rmdir()


def move_into_place(stage: Path, out: Path) -> Description:
    """Rename a finished dataset from the stage to `out`, as far as an earlier run has not."""
    about = description.read(stage)
    sync_disk_of(stage)
    for name in (*about.splits, LABELS, SUMS, description.FILE_NAME):
        if name == description.FILE_NAME:
            sync_disk_of(out)
        if (stage / name).exists():
            (stage / name).rename(out / name)
    sync_disk_of(out)
    return about


def is_of_this_boot(stage: Path) -> bool:
    """Return whether the stage was written since the machine started; note the present boot."""
    path, boot = stage / _BOOT, Path(_BOOT_ID).read_text()
    same = not path.exists() or path.read_text() == boot
    path.write_text(boot)
    return same


def sync_disk_of(folder: Path) -> None:
    """Wait until all that was written to the disk that holds `folder` is on it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
