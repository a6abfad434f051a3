"""The stage of a conversion: `OUT/.part`, where all lies that is not finished.

When everything on it is whole and on disk, it is renamed into place, dataset.json last: so a folder
without dataset.json is never taken for a dataset, and a run that is killed while renaming resumes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.dataset import beside, description, layout, opened
from imnet_data.dataset.layout import LABELS, SUMS
from imnet_data.errors import ConvertError
from imnet_data.machine.files import PART, remove

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from imnet_data.dataset.description import Description

NAME = PART
SHARED = "shared"  # where parts of a conversion meet: see `sharing`
_LOCK = "lock"
_BOOT = "boot"
_SPOOL = "spool"
LISTINGS = "listings"  # of archives
_GOING = "going"  # the SHA256SUMS of a dataset that is being removed
_BOOT_ID = "/proc/sys/kernel/random/boot_id"  # random(4)

_in_use: set[tuple[int, Path]] = set()  # process and stage: POSIX locks do not keep threads apart
_in_use_lock = threading.Lock()


@contextmanager
def held(out: Path) -> Iterator[Path]:
    """Make `out` and its stage, held by this thread alone; the stage goes when it is unused.

    Raises:
        ConvertError: if `out` has other things in it, is in use, or cannot be written.
    """
    stage = out / NAME
    try:
        _refuse_strangers(out)
        stage.mkdir(parents=True, exist_ok=True)
        with _locked(stage, out):
            _remove_going(out)
            try:
                yield stage
            except OSError as error:
                if error.errno == errno.EIO:
                    doubt(stage)
                raise
            finally:
                _remove_unused(out)
    except OSError as error:
        raise ConvertError(
            f"{out}: cannot be written ({error.strerror or error}); choose another OUT, or make it "
            "a folder that you may write to, on a disk with room"
        ) from error


@contextmanager
def _locked(stage: Path, out: Path) -> Iterator[None]:
    mine = (os.getpid(), Path(os.path.realpath(stage)))
    busy = ConvertError(f"{out}: another conversion is writing there")
    with _in_use_lock:
        if mine in _in_use:  # to open and close its lock would release it
            raise busy
        _in_use.add(mine)
    try:
        with (stage / _LOCK).open("a") as lock:  # a link may lead to what is not ours
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise busy from error
            yield
    finally:
        _in_use.discard(mine)


def _refuse_strangers(out: Path) -> None:
    """Refuse a folder with things in it that no conversion put there."""
    names = {path.name for path in out.iterdir()} if out.exists() else set[str]()
    if not names or opened.is_dataset(out):
        return
    stage = out / NAME
    if (stage / SHARED).is_dir():
        raise ConvertError(
            f"{out}: contains parts of an unfinished conversion, which is resumed with --part or "
            f"--ray; remove {stage} to discard them"
        )
    if (stage / _LOCK).is_file():
        names.discard(NAME)
        if (stage / _GOING).is_file():
            return
        if opened.is_dataset(stage):  # a run was stopped while it moved things into place
            names -= {*description.read(stage).splits, LABELS, SUMS}
    elif not any(stage.glob("*")):
        names.discard(NAME)
    if names:
        raise ConvertError(
            f"{out}: is neither empty (there is {min(names)}) nor a dataset; choose another OUT"
        )


def clear(out: Path) -> None:
    """Remove a dataset and what is unfinished, and nothing else.

    Raises:
        ConvertError: if there are files in its folders that it does not list; nothing is removed.
    """
    stage, derived = out / NAME, beside.ours(out)
    if opened.is_dataset(out):
        listed = {SUMS, *dict(layout.read_sums(out / SUMS)), *derived}
        strangers = sorted(set(_files(out)) - listed)
        if strangers:
            more = f" (and {len(strangers) - 1} more)" if len(strangers) > 1 else ""
            raise ConvertError(
                f"{out / strangers[0]}{more}: is not a file of the dataset, as {SUMS} does not "
                "list it, and --force removes nothing else; move it away"
            )
    for path in stage.iterdir():
        if path.name not in (_LOCK, _SPOOL):
            remove(path)
    if opened.is_dataset(out):
        for name in derived:
            (out / name).unlink()
        (out / SUMS).rename(stage / _GOING)
        _remove_going(out)


def nbytes(out: Path) -> int:
    """Return how many bytes the files below `out` take, those on its stage included."""
    return sum(path.lstat().st_size for path in out.rglob("*"))


def _files(folder: Path, prefix: str = "") -> Iterator[str]:
    """Yield the names of all that is below a folder and no folder, except the stage's."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield f"{name}/" if entry.is_dir() else name  # a link to a folder is not ours
            elif name != NAME:
                yield from _files(folder / entry.name, f"{name}/")


def _remove_going(out: Path) -> None:
    """Remove what is listed as going; after a kill the next run goes on with it."""
    going = out / NAME / _GOING
    if not going.exists():
        return
    files = dict(layout.read_sums(going))
    (out / description.FILE_NAME).unlink(missing_ok=True)  # from here on it is no dataset
    for file in files:
        (out / file).unlink(missing_ok=True)
    _remove_empty_folders(out, files)
    going.unlink()


def _remove_empty_folders(out: Path, files: Collection[str]) -> None:
    folders = {parent for file in files for parent in Path(file).parents if parent.parts}
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if (out / folder).is_dir() and not any((out / folder).iterdir()):
            (out / folder).rmdir()


def _remove_unused(out: Path) -> None:
    """Remove the stage if nothing has to go on from it, and `out` if it is empty then."""
    stage = out / NAME
    names = {path.name for path in stage.iterdir()}
    if _GOING not in names and (
        opened.is_dataset(out) or names <= {_LOCK, _BOOT, _SPOOL, LISTINGS}
    ):
        shutil.rmtree(stage)
    if not any(out.iterdir()):
        out.rmdir()


def move_into_place(stage: Path, out: Path) -> Description:
    """Rename a finished dataset from the stage to `out`, as far as an earlier run has not."""
    about = description.read(stage)
    doubt(stage)  # until it is synced: after a failure a file may have lost what was written
    sync_disk_of(stage)
    for name in (*about.splits, LABELS, SUMS, description.FILE_NAME):
        if name == description.FILE_NAME:
            sync_disk_of(out)
        if (stage / name).exists():
            (stage / name).rename(out / name)
    sync_disk_of(out)
    return about


def is_trusted(stage: Path) -> bool:
    """Return whether all that was written to the stage can be trusted to be there.

    That is so if the machine has not started again since, and no write has failed.
    """
    path = stage / _BOOT
    return path.exists() and path.read_text() == Path(_BOOT_ID).read_text()


def trust(stage: Path) -> None:
    """Let later runs resume from the stage without hashing it."""
    (stage / _BOOT).write_text(Path(_BOOT_ID).read_text())


def doubt(stage: Path) -> None:
    """Have the next run hash all that is on the stage."""
    (stage / _BOOT).unlink(missing_ok=True)


def sync_disk_of(folder: Path) -> None:
    """Wait until all that was written to the disk that holds `folder` is on it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)
