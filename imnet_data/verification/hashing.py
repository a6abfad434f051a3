"""The hashes of the records of a shard, many in one call of the native core.

Seekable and packed JPEGs are restored in that call, and the file that holds the records is hashed
beside them: three streams at once take a processor with SHA instructions little longer than one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.dataset.stored import restored
from imnet_data.errors import ImageError
from imnet_data.machine.closing import Closing
from imnet_data.native import _native

if TYPE_CHECKING:
    from imnet_data.machine.open_file import ReadAt

_BATCH_NBYTES = 1 << 20
_MOST_WAITING_NBYTES = 4 << 20
_FORMS = ("original", "seekable", "packed")  # in the order of the native core's numbers


class Hashed(NamedTuple):
    """What there is to be known of a record."""

    row: int
    image: bytes | memoryview  # that is stored
    stored: bytes  # its sha256
    original: bytes  # the sha256 of the JPEG that was restored from it; b"" where there is none
    fault: str  # why it cannot be restored
    jpeg: bytes  # that was restored, if it is for decoding


class RecordHashes(Closing):
    """Hashes records as they come, and the file that they are in, if they share one.

    `for_decoding`: originals are kept, and restored by walking through all codes. By joints, an
    original can be had from a seekable JPEG that decoders read as another image.
    """

    def __init__(self, file: ReadAt | None, *, for_decoding: bool = False) -> None:
        self._file = file
        self._for_decoding = for_decoding
        self._stream = _native.Sha256() if _native.has_sha256_instructions() else None
        self._sum = hashlib.sha256()  # of the file, where there are no such instructions
        self._taken_nbytes = 0  # from the file's start: hashed, or waiting
        self._pieces: list[memoryview] = []  # of the file, to be hashed
        self._pieces_nbytes = 0
        self._rows: list[int] = []
        self._images: list[tuple[bytes | memoryview, int]] = []  # and their forms
        self._images_nbytes = 0

    def offer(self, position: int, piece: memoryview) -> None:
        """Take bytes of the file that were read anyway, and that do not change."""
        known = self._taken_nbytes - position
        if known >= 0:
            self._take(piece[known:])

    def _take(self, piece: memoryview) -> None:
        if self._pieces_nbytes > _MOST_WAITING_NBYTES:
            self._hash([])
        self._pieces.append(piece)
        self._pieces_nbytes += len(piece)
        self._taken_nbytes += len(piece)

    def add(self, row: int, image: bytes | memoryview, stored: str) -> None:
        """Take a record, whose bytes do not change; `stored` is its form, see manifest.STORED."""
        self._rows.append(row)
        self._images.append((image, _FORMS.index(stored) if stored in _FORMS else 0))
        self._images_nbytes += len(image)

    @property
    def is_full(self) -> bool:
        """Whether it is time to hash what has come."""
        return self._images_nbytes >= _BATCH_NBYTES

    def hashed(self) -> list[Hashed]:
        """Return what was added since the last time, in that order."""
        if self._file is not None and not self._pieces:
            self._read(self._images_nbytes)
        rows, images = self._rows, self._images
        self._rows, self._images, self._images_nbytes = [], [], 0
        found = self._hash(images)
        return [
            Hashed(row, image, *hashes)
            for row, (image, _), hashes in zip(rows, images, found, strict=True)
        ]

    def _hash(
        self, images: list[tuple[bytes | memoryview, int]]
    ) -> list[tuple[bytes, bytes, str, bytes]]:
        pieces, self._pieces, self._pieces_nbytes = self._pieces, [], 0
        if self._stream is not None:
            stream = None if self._file is None else self._stream
            return _native.record_sha256(images, pieces, stream, self._for_decoding)
        for piece in pieces:
            self._sum.update(piece)
        found = [_hash_one(*image, walks=self._for_decoding) for image in images]
        return found if self._for_decoding else [(*hashes[:3], b"") for hashes in found]

    def _read(self, nbytes: int) -> int:
        assert self._file is not None
        piece = self._file.read(self._taken_nbytes, nbytes)
        self._take(memoryview(piece))
        return len(piece)

    def hexdigest(self) -> str:
        """Return the sha256 of the whole file; what was not offered is read."""
        assert self._file is not None
        while self._pieces or self._read(self._file.ahead_nbytes):
            self._hash([])
        return (self._stream.digest() if self._stream else self._sum.digest()).hex()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _hash_one(
    image: bytes | memoryview, form: int, *, walks: bool
) -> tuple[bytes, bytes, str, bytes]:
    found = hashlib.sha256(image).digest()
    if form == 0:
        return found, b"", "", b""
    try:
        original = restored(image, _FORMS[form], is_hashed=not walks)
    except ImageError as error:
        return found, b"", str(error), b""
    return found, hashlib.sha256(original).digest(), "", original
