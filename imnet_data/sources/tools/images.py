"""Images that lie in one piece in files of another tool, as a container.

A tool's module walks a file and names its images; what is the same for all of them is here.
"""

from __future__ import annotations

import struct
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.archives.containers import Entry
from imnet_data.archives.joined import REMEDY, Joined
from imnet_data.errors import REPAIR, FormatError, SourceError
from imnet_data.formats.extents import ShardFile
from imnet_data.sources.tools import numbering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imnet_data.sources.tools.numbering import Numbering

# what parsing damaged bytes can end in
_MALFORMED = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, struct.error)


class Found(NamedTuple):
    """One image of a file."""

    name: str  # a path, or the name of a file
    label: int | None  # None, or less than 0, where there is none
    offset: int
    nbytes: int
    record: int = 0  # where the record begins that it is in, if that matters


class Part(NamedTuple):
    """One file, and what is known of it beforehand."""

    path: Path
    split: str
    numbering: Numbering | None
    image_count: int | None = None  # where a file beside says it


class Images(Joined[Path]):
    """The images of files, by a walk through each."""

    def __init__(self, found: Sequence[Part], walk: Callable[[ShardFile], Iterator[Found]]) -> None:
        """Join files; `walk` yields the images of one."""
        self._found = sorted(found, key=lambda part: part.path)
        self._walk = walk
        self.records = array("q")  # the place of each image's record
        super().__init__([part.path for part in self._found])

    def entries(self) -> Iterator[Entry]:
        """Walk all files once.

        Raises:
            SourceError: if one is damaged, has another number of images than is said, or an image
                whose class is not known.
        """
        self.records = array("q")
        for part, start in zip(self._found, self.starts.tolist(), strict=False):
            count = 0
            for found in walked(part.path, self._walk):
                where = f"{part.path}, image {count}"
                image = numbering.Image(found.name, found.label, part.split)
                path = numbering.path_of(image, part.numbering, where=where)
                self.records.append(start + found.record)
                yield Entry(path, start + found.offset, found.nbytes)
                count += 1
            if part.image_count not in (None, count):
                raise SourceError(
                    f"{part.path}: has {count} images, and the list beside it says "
                    f"{part.image_count}; {REMEDY}"
                )


def walked(path: Path, walk: Callable[[ShardFile], Iterator[Found]]) -> Iterator[Found]:
    """Yield the images of a file.

    Raises:
        SourceError: if it is damaged.
    """
    count = 0
    try:
        file = ShardFile(path)
        try:
            for found in walk(file):
                if not 0 <= found.offset <= found.offset + found.nbytes <= file.nbytes:
                    raise file.fault(f"image {count} lies outside the file")
                yield found
                count += 1
        finally:
            file.close()
    except FormatError as error:
        raise SourceError(str(error).replace(REPAIR, REMEDY)) from error
    except _MALFORMED as error:
        raise SourceError(f"{path}: image {count} is damaged ({error}); {REMEDY}") from error
