"""Batches of JPEGs in the order of a Schedule, for decoders that are not ours.

Threads read, and cut each JPEG that is trained on to what its crop needs, in the compressed
bytes (`jpeg.crop`): less has to be sent to a GPU, and decoded there. A JPEG goes whole, and counts
in `whole`, where that cannot be done (no restart markers, progressive), or its crop needs all of
it. Whole ones must have an end: a decoder may fill a truncated one, and say nothing.

Pixels go as a PPM file, which takes its place in the batch. They are what is stored as pixels, and
what decoders read in different ways: JPEGs of four components, of R, G and B, or of rare codings.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data import jpeg
from imnet_data.errors import ImageError, verify_command
from imnet_data.loaders import geometry
from imnet_data.loaders.files import Files, read_extent
from imnet_data.loaders.read_ahead import ReadAhead
from imnet_data.loaders.source import (
    CHANGED,
    UNDECODABLE,
    SupportsExtents,
    published_as,
    record_name,
    undecodable,
)
from imnet_data.machine import pool
from imnet_data.transforms import TrainRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from imnet_data.loaders.read_ahead import AnyEpochAhead
    from imnet_data.loaders.schedule import Draws, Schedule
    from imnet_data.loaders.source import SupportsReading
    from imnet_data.machine.open_file import OpenFile
    from imnet_data.transforms import EvalRecipe

    _From = OpenFile | bytes | memoryview | None  # what has a record; None: the source reads it

_BATCHES_AHEAD = 4  # 110 MB, of 256 images of ImageNet's mean size each

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"  # markers

Box = tuple[int, int, int, int]


class JpegBatch(NamedTuple):
    """Some records as they are stored, and what is to be done to their pixels."""

    indices: NDArray[np.int64]
    draws: Draws  # of the batch that they are from
    images: list[bytes]  # files: JPEG, or PPM
    boxes: NDArray[np.int32]  # [n, 4], left, upper, right, lower: the crops, in these images
    rows: NDArray[np.int32]  # see `geometry`
    side: int  # of the square images to be made
    whole: int  # images that were to be cut, and went whole

    def single(self, position: int) -> JpegBatch:
        """Return one record of it as a batch."""
        part = slice(position, position + 1)
        return JpegBatch(
            self.indices[part],
            self.draws,
            self.images[part],
            self.boxes[part],
            self.rows[part],
            self.side,
            0,
        )


class JpegReader:
    """Reads the batches of one rank.

    Args:
        source: the records, as `source_of(dataset)` gives them.
        recipe: what is done to the pixels.
        schedule: which records come when.
        threads: that read and cut.
        cut: whether what is trained on is cut.
    """

    def __init__(
        self,
        source: SupportsExtents | SupportsReading,
        recipe: TrainRecipe | EvalRecipe,
        schedule: Schedule,
        *,
        threads: int,
        cut: bool,
    ) -> None:
        schedule.require_records(len(source.label))
        self._source, self._recipe, self.schedule = source, recipe, schedule
        self._cuts = cut and isinstance(recipe, TrainRecipe)
        self._files = Files.of(source)
        self._read_ahead = None
        if isinstance(source, SupportsExtents) and self._files is not None:
            self._read_ahead = ReadAhead(source, self._files)
        self._reading = threading.Lock()  # of a source that may not be read by several threads
        self._damaged = published_as(source, "damaged")
        self._undecodable = undecodable(source)
        self._pool = ThreadPoolExecutor(pool.thread_count(threads), "jpegs")

    def epoch(self, number: int, *, start: int = 0) -> Iterator[JpegBatch]:
        """Return the batches of epoch `number` from batch `start` on.

        Raises:
            ImageError: if the header of a JPEG is damaged, or does not say what the index says.
            FormatError: if the file that holds it does not have it.
        """
        self.schedule.require_start(number, start)
        return self._epoch(number, start)

    def name(self, index: int) -> str:
        """Return which record an error is about, and where it is."""
        return record_name(self._source, index)

    def close(self) -> None:
        """End the threads and release the files."""
        self._pool.shutdown(cancel_futures=True)
        if self._read_ahead is not None:
            self._read_ahead.close()
        if self._files is not None:
            self._files.close()

    def _epoch(self, number: int, start: int) -> Iterator[JpegBatch]:
        order = self.schedule.epoch_order(number)
        ahead: AnyEpochAhead | None = None
        if self._read_ahead is not None:
            ahead = self._read_ahead.epoch(self.schedule, order, epoch=number, start=start)
        work = self._work(number, order, start, ahead)
        under_way: deque[Future[JpegBatch]] = deque()
        try:
            under_way.extend(
                self._pool.submit(self._batch, *item) for item in islice(work, _BATCHES_AHEAD)
            )
            while under_way:
                batch = under_way.popleft().result()
                under_way.extend(self._pool.submit(self._batch, *item) for item in islice(work, 1))
                yield batch
        finally:
            for waiting in under_way:
                waiting.cancel()
            if ahead is not None:
                ahead.end()

    def _work(
        self, epoch: int, order: NDArray[np.int64], start: int, ahead: AnyEpochAhead | None
    ) -> Iterator[tuple[NDArray[np.int64], Draws, Iterator[_From], int]]:
        """Yield record numbers, draws, what is read from, and the epoch, of each batch."""
        for step in range(start, len(self.schedule)):
            indices = self.schedule.batch(order, step)
            files: Iterator[_From] = repeat(None)
            if ahead is not None:
                contents = ahead.contents(step, indices)
                if contents is None:
                    files = ahead.taking(step, ahead.files(step, indices))
                else:
                    files = iter(contents)
            yield indices, self.schedule.draws(order, step), files, epoch

    def _batch(
        self,
        indices: NDArray[np.int64],
        draws: Draws,
        files: Iterator[_From],
        epoch: int,
    ) -> JpegBatch:
        recipe = self._recipe
        rows = geometry.rows(
            indices,
            self._source,
            recipe=recipe,
            seed=self.schedule.seed,
            epoch=epoch,
            keys=draws.keys,
        )
        images: list[bytes] = []
        boxes = np.empty((len(indices), 4), np.int32)
        whole = 0
        for position, (index, file, row) in enumerate(
            zip(indices.tolist(), files, rows, strict=False)
        ):
            stored, box = self._stored(index, file), tuple(row[geometry.CROP].tolist())
            make = self._pixels if row[geometry.PIXELS] else self._jpeg
            image, boxes[position] = make(index, stored, box)
            whole += self._cuts and image.startswith(_SOI) and len(image) == len(stored)
            images.append(image)
        return JpegBatch(indices, draws, images, boxes, rows, geometry.side(recipe, epoch), whole)

    def _stored(self, index: int, file: _From) -> bytes | memoryview:
        source = self._source
        if isinstance(file, bytes | memoryview):
            return file
        if file is None:
            assert not isinstance(source, SupportsExtents)
            with self._reading:
                return source.read(index)
        assert isinstance(source, SupportsExtents)
        return read_extent(source, file, index)

    def _pixels(self, index: int, stored: bytes | memoryview, box: Box) -> tuple[bytes, Box]:
        width, height = int(self._source.width[index]), int(self._source.height[index])
        if len(stored) != width * height * 3:
            raise ImageError(
                f"{self.name(index)}: the image has {len(stored)} bytes, but the index says "
                f"{width} x {height} pixels; run {verify_command()}"
            )
        left, upper, right, lower = box
        image = np.frombuffer(stored, np.uint8).reshape(height, width, 3)
        return _ppm(image[upper:lower, left:right])

    def _jpeg(self, index: int, stored: bytes | memoryview, box: Box) -> tuple[bytes, Box]:
        if self._undecodable[index]:
            raise ImageError(f"{self.name(index)}: {UNDECODABLE}")
        try:
            stored = jpeg.as_jpeg(stored)
            if self._damaged[index] or not jpeg.is_regular(stored):
                return self._by_pillow(index, stored, box)
            header = jpeg.header(stored)
            self._require_size(index, header.width, header.height)
            if _is_read_differently(header):
                return _ppm(jpeg.decode(stored, box, other="pillow"))
            image, box = jpeg.crop(stored, box) if self._cuts else (bytes(stored), box)
            if len(image) == len(stored) and image.rfind(_EOI, header.scan_offset) < 0:
                raise ImageError("the JPEG is cut short: there is no end-of-image marker")
            return image, box
        except ImageError as error:
            raise ImageError(f"{self.name(index)}: {error}; {CHANGED}") from error

    def _by_pillow(self, index: int, stored: bytes | memoryview, box: Box) -> tuple[bytes, Box]:
        pixels = jpeg.decode_by_pillow(stored, fill=bool(self._damaged[index]))
        self._require_size(index, pixels.shape[1], pixels.shape[0])
        left, upper, right, lower = box
        return _ppm(pixels[upper:lower, left:right])

    def _require_size(self, index: int, width: int, height: int) -> None:
        expected = (int(self._source.width[index]), int(self._source.height[index]))
        if (width, height) != expected:
            raise ImageError(
                f"the image is {width} x {height} pixels, but the index says "
                f"{expected[0]} x {expected[1]}"
            )


def _is_read_differently(header: jpeg.Header) -> bool:
    """Return whether decoders make different pixels of such a JPEG, or some take none of it."""
    is_common = header.components in (1, 3) and header.precision == 8 and not header.is_rgb
    return not is_common or header.unsupported not in ("", "progressive")


def _ppm(pixels: NDArray[np.uint8]) -> tuple[bytes, Box]:
    """Return pixels as a file, and the box of all of them."""
    height, width, _ = pixels.shape
    header = b"P6 %d %d 255\n" % (width, height)
    return b"".join((header, np.ascontiguousarray(pixels).data)), (0, 0, width, height)
