"""Opens an archive, after a look at what it is; what it costs is said before it is paid."""

from __future__ import annotations

import logging
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from imnet_data.archives import gzipped, spool
from imnet_data.archives.containers import GzippedTar, Tar
from imnet_data.archives.zipped import Zip
from imnet_data.errors import SourceError
from imnet_data.machine.progress import no_progress
from imnet_data.sources import first_bytes
from imnet_data.sources.devkit import META
from imnet_data.sources.names import IMAGE_SUFFIXES
from imnet_data.storage.ahead import PIECE_NBYTES
from imnet_data.storage.place import open_place

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.archives.containers import Container, Entry
    from imnet_data.machine.progress import Progress
    from imnet_data.storage.place import Place

_log = logging.getLogger("imnet_data")


def open_archive(
    path: Place,
    *,
    spool_folder: Path | None,
    progress: Progress = no_progress,
) -> tuple[Container, list[str]]:
    """Open an archive by what its bytes say it is; return notes.

    One that holds images and is compressed is unpacked to `spool_folder`, if that is given: it can
    be read in any order then. What either way costs is logged before it is paid, and so is what it
    costs to list one in a store.

    Raises:
        SourceError: if it is no archive, or one of another tool.
    """
    container = peeked(path)
    if not isinstance(container, GzippedTar):
        if isinstance(container, Tar) and container.is_far:
            _log.info("%s", far_cost_text(container.name, container.extent))
        return container, []
    container.close()
    if not _holds_images(path):
        return GzippedTar(path), []
    _log.info("%s", _cost_text(path, is_unpacked=spool_folder is not None))
    if spool_folder is None:
        return GzippedTar(path), []
    unpacked, note = spool.unpacked(path, spool_folder, progress=progress)
    return Tar(unpacked, packed=path), [note]


def far_cost_text(name: str, nbytes: int) -> str:
    """Return what it costs to list tars in a store."""
    requests = -(-nbytes // PIECE_NBYTES)
    return (
        f"{name}: is in a store; to list its files, its {nbytes:,} bytes are read once, in "
        f"{requests:,} request{'s' * (requests != 1)} or a few more, and to convert it, its images "
        "once more"
    )


def _cost_text(path: Place, *, is_unpacked: bool) -> str:
    """Return what an archive will cost, by a look at its start."""
    nbytes, seconds = gzipped.cost(path)
    minutes = f"{seconds / 60:,.0f} minutes" if seconds >= 90 else f"{seconds:,.0f} seconds"
    what = f"{path.name} is compressed; decompressing all of it takes about {minutes} of CPU"
    if is_unpacked:
        return f"{what}. It is unpacked once, which takes about {nbytes:,} bytes of space meanwhile"
    return f"{what}. It is read in place: once to list it, and once more if its images are read"


def peeked(path: Place) -> Container:
    """Open an archive in place, after a look at its first members.

    Raises:
        SourceError: if it is no archive, or one of another tool.
    """
    foreign = first_bytes.foreign(path)
    if foreign:
        raise SourceError(f"{path}: {foreign}")
    magic = open_place(path).read(0, 2)
    with closing(_unlooked(path, magic)) as container:
        foreign = first_bytes.foreign_members(_first_members(container))
    if foreign:
        raise SourceError(f"{path}: {foreign}")
    return _unlooked(path, magic)


def _unlooked(path: Place, magic: bytes) -> Container:
    if magic == b"PK":
        return Zip(path)
    return GzippedTar(path) if magic == b"\x1f\x8b" else Tar(path)


def _first_members(container: Container) -> list[Entry]:
    try:
        return list(islice(container.entries(), first_bytes.PEEKED))
    except SourceError:
        return []  # the walk over all of it says what is wrong


def _holds_images(path: Place) -> bool:
    """Return whether a .tar.gz contains images, by the first file in it that shows it."""
    with closing(GzippedTar(path)) as container:
        for entry in container.entries():
            file = entry.path.rpartition("/")[2]
            suffix = file.rpartition(".")[2].lower()
            if suffix in IMAGE_SUFFIXES or suffix == "tar" or entry.path.startswith("ILSVRC/"):
                return True
            if suffix == "xml" or file == META:
                return False
            if first_bytes.is_image(container.first_bytes(entry.place, entry.nbytes)):
                return True
    return False
