"""The downsampled sets of 8 to 64 pixels: NumPy arrays, read as BMP files of the same pixels.

    train_data_batch_1.npz ... train_data_batch_10.npz    val_data.npz

- An npz has `data`, uint8[N, 3 * side * side], each row a plane of red, one of green, one of blue,
  and `labels`, 1 to 1000: ILSVRC2012_ID, in the devkit's order, not that of the sorted wnids. Less
  one they are not the sorted ones: all 1000 would be wrong, and nothing would show it.
- A BMP has the pixels exactly, and a size that is known beforehand.
- An array must be stored: one that is deflated has no row that could be read by itself.

Source: Chrabaszcz, Loshchilov and Hutter, "A downsampled variant of ImageNet as an alternative to
the CIFAR datasets", 2017; PatrykChrabaszcz/Imagenet32_Scripts, README.md and map_clsloc.txt;
numpy/lib/format.py.
"""

from __future__ import annotations

import re
import shlex
import struct
import tokenize
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives.containers import Entry
from imnet_data.archives.joined import REMEDY, Joined
from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.variants import VARIANTS, downsampled
from imnet_data.sources.names import Named
from imnet_data.sources.variants.rules import Finished

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from numpy.typing import NDArray

    from imnet_data.sources.images import Columns

NAME = re.compile(r"(?:train_data_batch_\d+|val_data)\.npz")
_SIDES = (8, 16, 32, 64)
_BMP = struct.Struct("<2sIHHIIiiHHIIiiII")
_LOCAL_HEADER = struct.Struct("<26xHH")
_CLASS_COUNT = 1000
# what zipfile and NumPy's reader of headers raise for damaged bytes
_DAMAGED = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    EOFError,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
)


def side_of(path: Path) -> int:
    """Return the side of the images in an npz of such a set, in pixels.

    Raises:
        SourceError: if it is damaged, or has other arrays.
    """
    return _Arrays.of(path).side


class _Arrays(NamedTuple):
    """What one file has."""

    side: int
    first: int  # position of the first image's pixels
    wnids: tuple[str, ...]  # of each image

    @classmethod
    def of(cls, path: Path) -> _Arrays:
        """Read the head of the images, and the labels."""
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                first, shape = _stored_array(path, file, archive.getinfo("data.npy"))
                with archive.open("labels.npy") as member:
                    numbers = np.lib.format.read_array(member, allow_pickle=False)
        except _DAMAGED as error:
            raise SourceError(
                f"{path}: damaged, or not an npz of data and labels ({error}); {REMEDY}"
            ) from error
        side = next((side for side in _SIDES if shape[1:] == (3 * side * side,)), 0)
        if not side or first + shape[0] * 3 * side * side > path.stat().st_size:
            raise SourceError(
                f"{path}: its data is {shape}, and [N, 3 * side * side] with a side of "
                f"{', '.join(map(str, _SIDES))} is read; {REMEDY}"
            )
        return cls(side, first, _wnids(path, numbers, shape[0]))


def _wnids(path: Path, numbers: NDArray[np.integer], count: int) -> tuple[str, ...]:
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu":
        raise SourceError(f"{path}: has {count} images and labels {numbers.shape}; {REMEDY}")
    if count and not 1 <= numbers.min() <= numbers.max() <= _CLASS_COUNT:
        raise SourceError(
            f"{path}: its labels are {numbers.min()} to {numbers.max()}, and those of the "
            "downsampled sets are 1 to 1000, the devkit's; somebody has changed them: take the "
            "published file"
        )
    of_id = labels.wnids_of("ilsvrc")
    return tuple(of_id[number] for number in numbers.tolist())


def _stored_array(
    path: Path, file: IO[bytes], member: zipfile.ZipInfo
) -> tuple[int, tuple[int, ...]]:
    """Return where an array's values begin, and its shape."""
    if member.compress_type != zipfile.ZIP_STORED:
        source, copy = repr(str(path)), repr(str(path.with_name(f"stored_{path.name}")))
        code = f"import numpy; numpy.savez({copy}, **numpy.load({source}))"
        raise SourceError(
            f"{path}: its arrays are compressed, so that no image can be read by itself; store "
            f"them, and pass that file under the first one's name: python -c {shlex.quote(code)}"
        )
    file.seek(member.header_offset)
    head = file.read(_LOCAL_HEADER.size)
    if len(head) < _LOCAL_HEADER.size:
        raise ValueError("it ends within a header")
    file.seek(sum(_LOCAL_HEADER.unpack(head)), 1)
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, in_columns, dtype = read(file)
    if dtype != np.uint8 or in_columns or len(shape) != 2:
        raise ValueError(f"data is {dtype}{list(shape)}")
    return file.tell(), shape


class Arrays(Joined[Path]):
    """The images of such files, as BMP files of a container; a place is a number of an image."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the heads and labels of the files.

        Raises:
            SourceError: if one is damaged, or they have images of several sizes.
        """
        super().__init__(paths)
        self._arrays = [_Arrays.of(path) for path in self.paths]
        sides = {arrays.side for arrays in self._arrays}
        if len(sides) > 1:
            raise SourceError(
                f"{self.path}: has images of {' and '.join(map(str, sorted(sides)))} pixels; pass "
                "the files of one size"
            )
        self._side = sides.pop()
        self.starts = np.cumsum([0, *(len(arrays.wnids) for arrays in self._arrays)])
        self.extent = int(self.starts[-1])

    def entries(self) -> Iterator[Entry]:
        """Walk all images once."""
        place, nbytes = 0, _BMP.size + 3 * self._side * self._side
        for path, arrays in zip(self.paths, self._arrays, strict=True):
            split = "val" if path.name.startswith("val") else "train"
            for number, wnid in enumerate(arrays.wnids):
                yield Entry(f"{split}/{wnid}/{path.stem}_{number}.bmp", place, nbytes)
                place += 1

    def read(self, place: int, nbytes: int) -> bytes:
        """Return an image as a BMP."""
        number, row = self.at(place)
        count = 3 * self._side * self._side
        with self.paths[number].open("rb") as file:
            file.seek(self._arrays[number].first + row * count)
            planes = file.read(count)
        if len(planes) < count:
            raise SourceError(f"{self.paths[number]}: became shorter while it was read; {REMEDY}")
        return bmp(np.frombuffer(planes, np.uint8).reshape(3, self._side, self._side))

    def path_of(self, place: int) -> str:
        """Return file and row."""
        number, row = self.at(place)
        return f"{self.paths[number]}, row {row}"


def bmp(planes: NDArray[np.uint8]) -> bytes:
    """Return red, green and blue, [3, side, side], as a BMP of 24 bits; side is a multiple of 4."""
    side = planes.shape[1]
    nbytes = planes.size
    head = _BMP.pack(
        b"BM", _BMP.size + nbytes, 0, 0, _BMP.size, 40, side, side, 1, 24, 0, nbytes, 0, 0, 0, 0
    )
    return head + planes[::-1, ::-1].transpose(1, 2, 0).tobytes()


class Downsampled:
    """The rules of such a set."""

    splits = ("train", "val")
    texts: frozenset[str] = frozenset()

    def __init__(self, side: int) -> None:
        self.name = downsampled(side)

    def named(self, path: str) -> Named | str:
        """Return what a path of `Arrays` says."""
        split, wnid, file = path.split("/")
        return Named(split, file.removesuffix(".bmp"), wnid)

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images as they are, and notes."""
        del texts
        notes = [
            f"has {len(columns.keys):,} images of {split}, {self.name} has "
            f"{VARIANTS[self.name].counts[split]:,}"
            for split, columns in found.items()
            if len(columns.keys) != VARIANTS[self.name].counts[split]
        ]
        notes.append("its labels were read as the devkit's (ILSVRC2012_ID, 1 to 1000)")
        return Finished(found, labels.ilsvrc2012_wnids(), tuple(notes))
