"""The whole way in small: synthetic tarballs, every format, each verified and read back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments, formats
from imnet_data.conversion.convert import convert
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import FormatError, OutputError
from imnet_data.machine.files import part_of, write_whole
from imnet_data.machine.progress import no_progress
from imnet_data.sources.opening import open_any
from imnet_data.synth import FILE_NAMES, synth
from imnet_data.verification.read_back import read_back_all
from imnet_data.verification.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.description import Description
    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source
    from imnet_data.verification.read_back import ReadBack

TARBALLS = "tarballs"
_MARK = "made-by-imnet-data-demo.txt"
_MARK_TEXT = b"`imnet-data demo` made this folder, and makes again what is in it.\n"


class Row(NamedTuple):
    """What was made in one format."""

    path: Path
    about: Description
    nbytes: int  # of all its files
    convert_seconds: float
    verify_seconds: float
    records_read: int
    readers: tuple[ReadBack, ...] = ()  # third-party libraries that are installed


def demo(
    directory: StrPath, *, workers: int | None = None, progress: Progress = no_progress
) -> list[Row]:
    """Make tarballs in `directory`, convert them to every format, verify each and read it back.

    What an earlier demo left there is made again.

    Raises:
        OutputError: if the folder has other things in it.
        ImnetError: if a dataset is not sound, or gives other records than the tarballs.
    """
    directory = arguments.path("directory", directory)
    tarballs = directory / TARBALLS
    take(directory)
    synth(tarballs, progress=progress)
    source = open_any([tarballs])
    try:
        rows = [_row(directory / name, name, source, workers, progress) for name in formats.FORMATS]
    finally:
        source.close()
    reads = read_back_all([row.path for row in rows], workers=workers, progress=progress)
    return [_with_readers(row, read) for row, read in zip(rows, reads, strict=True)]


def _with_readers(row: Row, reads: Sequence[ReadBack]) -> Row:
    for read in reads:
        if read.difference_count:
            first = read.differences[0]
            raise FormatError(f"{row.path}/{first.file}: {first.key}: {first.what}")
    return row._replace(readers=tuple(read for read in reads if not read.install))


def take(directory: Path) -> None:
    """Mark a folder as the demo's own, without tarballs; refuse one that is somebody else's."""
    try:
        names = [path.name for path in directory.iterdir()] if directory.exists() else []
        if names and _MARK not in names:
            raise OutputError(
                f"{directory}: is not empty (there is {names[0]}), and no demo made it; "
                "choose another folder"
            )
        directory.mkdir(parents=True, exist_ok=True)
        write_whole(directory / _MARK, _MARK_TEXT)
        for name in FILE_NAMES:
            tarball = directory / TARBALLS / name
            tarball.unlink(missing_ok=True)
            part_of(tarball).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror}); choose another folder"
        ) from error


def _row(path: Path, name: str, source: Source, workers: int | None, progress: Progress) -> Row:
    began = time.monotonic()
    about = convert(
        [path.parent / TARBALLS], path, format=name, workers=workers, force=True, progress=progress
    )
    converted = time.monotonic()
    differences = verify(path, decode=True, workers=workers, progress=progress)
    if differences:
        raise FormatError(f"{path}/{differences[0].file}: {differences[0].what}")
    return Row(
        path=path,
        about=about,
        nbytes=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        convert_seconds=converted - began,
        verify_seconds=time.monotonic() - converted,
        records_read=sum(_read_back(path, split, source) for split in about.splits),
    )


def _read_back(path: Path, split: str, source: Source) -> int:
    """Read every record, and hold those that were not fixed against the tarballs."""
    records = source.splits[split]
    positions = {key.decode(): place for place, key in enumerate(records.listing.keys)}
    with Dataset.open(path, split) as dataset:
        for record in dataset:
            published = records[positions[record.key]]
            if not record.fix and (record.wnid, record.jpeg) != (published.wnid, published.jpeg):
                raise FormatError(f"{path}: {record.key} does not match the tarballs")
        return len(dataset)
