"""What was found in an archive, kept in a file: another run need not walk the archive for it.

The file is NumPy's npz: the images of each split, boxes, small files as bytes, and the rest as
JSON. Its name is a hash of what it was found in and of what was asked for, then the sha256 of its
bytes. An archive that was written to since has another name, and so it has in another version.

Folders are not kept: that a folder is the same is known when it is walked.
"""

from __future__ import annotations

import hashlib
import json
import tokenize
import zipfile
import zlib
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imnet_data.archives.containers import GzippedTar, Tar, is_far
from imnet_data.archives.zipped import Zip
from imnet_data.errors import SourceError
from imnet_data.machine.files import appearing, file_sha256
from imnet_data.sources.boxes import BoxColumns
from imnet_data.sources.images import Columns
from imnet_data.sources.scan import Found

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.archives.containers import Container

_IMAGES, _TEXT, _BOXES, _ABOUT = "images", "text", "boxes", "about"
# what reading something else than a listing can end in
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_OF_IMAGES = ("keys", "wnids", "nbytes", "places")  # all images are in one container


class Listings(NamedTuple):
    """Where what archives hold is kept."""

    known: Path  # by earlier runs
    new: Path | None  # by this one; None where others have kept all


class Kept(NamedTuple):
    """What is kept of one archive."""

    listings: Listings
    name: str
    is_walked: bool  # before its images are read

    def read(self, number: int) -> Found | None:
        """Return what was found; None if nothing is kept.

        Args:
            number: what the images are to carry as `Columns.containers`.

        Raises:
            SourceError: if it is damaged.
        """
        for path in self.listings.known.glob(f"{self.name}-*.npz"):
            damaged = SourceError(f"{path}: is damaged; remove it, and run again")
            if file_sha256(path) != path.stem.rpartition("-")[2]:
                raise damaged
            try:
                with path.open("rb") as file, np.load(file) as arrays:
                    return _found({name: arrays[name] for name in arrays.files}, number)
            except _MALFORMED as error:  # its hash is right: another build may have written it
                raise damaged from error
        return None

    def write(self, found: Found) -> None:
        """Keep what was found, unless the archive has to be walked anyway.

        Raises:
            SourceError: if the disk is full or cannot be written.
        """
        folder = self.listings.new
        if folder is None or (self.is_walked and found.has_images):
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            whole = folder / f"{self.name}.npz"
            with appearing(whole, sync=False) as part, part.open("wb") as file:
                np.savez(file, **_arrays(found))
            whole.rename(folder / f"{self.name}-{file_sha256(whole)}.npz")
        except FileNotFoundError:  # another run has taken over
            raise
        except OSError as error:
            raise SourceError(
                f"{folder}: cannot be written ({error.strerror or error}); make room there, then "
                "run the same command again"
            ) from error


def kept(container: Container, listings: Listings | None, asked: tuple[object, ...]) -> Kept | None:
    """Return what is kept of a container, or None where nothing can be.

    Args:
        container: not walked before.
        listings: the folders.
        asked: all that decides what is found in it.
    """
    is_walked = isinstance(container, GzippedTar)
    if listings is None or not (is_walked or isinstance(container, Tar | Zip) or is_far(container)):
        return None
    kind, version = type(container).__name__, metadata.version("imnet-data")
    which = repr((version, kind, str(container.path), container.identity(), asked))
    return Kept(listings, hashlib.sha256(which.encode()).hexdigest()[:32], is_walked)


def _arrays(found: Found) -> dict[str, Any]:
    """Return what was found as arrays, by name."""
    arrays: dict[str, Any] = {}
    for split, columns in found.images.items():
        for name in _OF_IMAGES:
            arrays[f"{_IMAGES}/{split}/{name}"] = getattr(columns, name)
    for name, column in found.boxes.columns()._asdict().items():
        arrays[f"{_BOXES}/{name}"] = column
    for name, content in found.texts.items():
        arrays[f"{_TEXT}/{name}"] = np.frombuffer(content, np.uint8)
    about = {
        "counts": found.counts,
        "box_count": found.box_count,
        "stranger": found.stranger,
        "left_out": {
            name: (each.count, each.example) for name, each in found.left_out.reasons.items()
        },
        "splits": list(found.images),
        "texts": list(found.texts),
    }
    arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return arrays


def _found(arrays: Mapping[str, NDArray[Any]], number: int) -> Found:
    about = json.loads(arrays[_ABOUT].tobytes())
    found = Found()
    for split in about["splits"]:
        columns = {name: arrays[f"{_IMAGES}/{split}/{name}"] for name in _OF_IMAGES}
        containers = np.full(len(columns["keys"]), number, np.int16)
        found.images[split] = Columns(**columns, containers=containers)
    found.boxes.extend(BoxColumns(*(arrays[f"{_BOXES}/{name}"] for name in BoxColumns._fields)))
    found.texts = {name: arrays[f"{_TEXT}/{name}"].tobytes() for name in about["texts"]}
    found.counts, found.box_count = about["counts"], about["box_count"]
    found.stranger = about["stranger"]
    for reason, (count, example) in about["left_out"].items():
        found.left_out.add(reason, example, count)
    return found
