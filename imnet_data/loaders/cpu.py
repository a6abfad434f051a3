"""Batches made on the CPU by native threads: read, decode, crop, resize, flip.

Threads take single records from the oldest batch that is under way, without the GIL, and decode
only the part of an image that its crop needs. What comes after it is read ahead, so that no thread
waits for storage (see `read_ahead`). The pixels are those of Pillow and torchvision to the last
bit, and do not depend on threads, batch size, ranks or where an epoch is resumed.

An image that the native decoder does not take (progressive, CMYK, a PNG ...) is decoded by Pillow,
and counted in `decoded_by_pillow`. A record that is marked as damaged as it was published has
Pillow's pixels, too, and is counted in `damaged`; any other damage is an error.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from imnet_data.arguments import integer, one_of
from imnet_data.errors import FormatError, ImageError, verify_command
from imnet_data.loaders import geometry
from imnet_data.loaders.batch import Decoded, given
from imnet_data.loaders.buffers import Buffers
from imnet_data.loaders.files import Files, read_extent
from imnet_data.loaders.pillow import decode_into
from imnet_data.loaders.plain import require_plain, require_views
from imnet_data.loaders.ranks import Ranked
from imnet_data.loaders.read_ahead import ReadAhead, paths_of
from imnet_data.loaders.source import (
    CHANGED,
    UNDECODABLE,
    SupportsExtents,
    is_whole,
    published_as,
    record_name,
    undecodable,
)
from imnet_data.machine import pool
from imnet_data.native import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from imnet_data.dataset.opened import Dataset
    from imnet_data.loaders.batch import Batch, ViewBatch
    from imnet_data.loaders.read_ahead import AnyEpochAhead
    from imnet_data.loaders.schedule import Draws, Schedule
    from imnet_data.loaders.source import SupportsReading
    from imnet_data.transforms import EvalRecipe, MultiCropRecipe, Numbers, TrainRecipe

OnError = Literal["raise", "skip"]

_RECORDS_AT_ONCE = 4096  # whose boxes are computed together: NumPy's cost is by the call


class _Work(NamedTuple):
    """What is asked for of one batch."""

    step: int
    indices: NDArray[np.int64]
    draws: Draws
    rows: NDArray[np.int32]  # [n, views, 16]: see `geometry`
    sides: list[tuple[int, int]]  # how many views of which size
    numbers: Numbers | None  # what pixels become


class _UnderWay(NamedTuple):
    ticket: int
    work: _Work
    groups: list[NDArray[np.uint8]]  # [views, n, side, side, 3 samples] for each of `sides`
    contents: Sequence[bytes | memoryview] | None  # of the records; None if they are in files


class CpuLoader(Ranked):
    """Loader: batches of one rank.

    Args:
        source: the records, as `source_of(dataset)` gives them.
        recipe: what is done to the pixels.
        schedule: which records come when.
        threads: native threads; by default one for each core that this process may use.
        batches_ahead: batches made while the caller works on one.
        on_error: "raise" at a bad record, or "skip" it: the batch is smaller then, the record is
            put into `skipped`, and a warning at the epoch's end says how many there were.
        allocate: gives uint8[nbytes] for a batch's images, for instance in pinned memory. Memory is
            used again as soon as nobody holds a batch's images or a view of them.
        dataset: what `source` was made of, to be closed with the loader.
    """

    def __init__(
        self,
        source: SupportsExtents | SupportsReading,
        recipe: TrainRecipe | EvalRecipe | MultiCropRecipe,
        schedule: Schedule,
        *,
        threads: int | None = None,
        batches_ahead: int = 2,
        on_error: OnError = "raise",
        allocate: Callable[[int], NDArray[np.uint8]] | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        thread_count = pool.thread_count(threads)
        integer("batches_ahead", batches_ahead, least=1)
        one_of("on_error", on_error, ("raise", "skip"))
        schedule.require_records(len(source.label))
        super().__init__(schedule)
        self.source = source
        self.recipe = recipe
        self.dataset = dataset
        self.decoded_by_pillow = 0
        self._damaged = published_as(source, "damaged")
        self._undecodable = undecodable(source)
        self.damaged = 0  # records given that were damaged as they were published
        self.skipped: dict[int, str] = {}  # record number -> what was wrong
        self._batches_ahead = batches_ahead
        self._on_error = on_error
        self._files = Files.of(source)
        self._read_ahead = None
        if isinstance(source, SupportsExtents) and self._files is not None:
            self._read_ahead = ReadAhead(source, self._files)
        self._counting = threading.Lock()
        self.buffers = Buffers(allocate)
        self._native = _native.BatchLoader(thread_count)

    def __len__(self) -> int:
        return len(self.schedule)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Return the batches of epoch `number` from batch `start` on.

        Several threads may iterate one loader, each the epochs that it has asked for.

        Raises:
            ImageError: if the bytes of an image are damaged.
            FormatError: if the file that holds it does not have them.
            ValueError: if the recipe makes several views, or does more than pixels show.
        """
        require_plain(self.recipe)
        return given(self.decoded(number, start=start), Decoded.batch)

    def views(self, number: int, *, start: int = 0) -> Iterator[ViewBatch]:
        """Return the same for a MultiCropRecipe, before what it does to colours.

        Raises:
            ValueError: if the recipe is no MultiCropRecipe.
        """
        require_views(self.recipe)
        return given(self.decoded(number, start=start), Decoded.view_batch)

    def decoded(
        self, number: int, *, start: int = 0, numbers: Numbers | None = None
    ) -> Generator[Decoded]:
        """Return what batches are made of; what the recipe does to tensors is still to be done.

        With `numbers`, groups have these, in their type and layout, in place of pixels.
        """
        self.schedule.require_start(number, start)
        return self._epoch(number, start, numbers)

    def close(self) -> None:
        """End the threads and release the files; batches that are held stay as they are."""
        self._native.close()
        if self._read_ahead is not None:
            self._read_ahead.close()
        if self._files is not None:
            self._files.close()
        if self.dataset is not None:
            self.dataset.close()

    def _epoch(self, number: int, start: int, numbers: Numbers | None) -> Generator[Decoded]:
        order = self.schedule.epoch_order(number)
        ahead: AnyEpochAhead | None = None
        if self._read_ahead is not None:
            ahead = self._read_ahead.epoch(self.schedule, order, epoch=number, start=start)
        work = self._work(number, order, start, numbers)
        under_way: deque[_UnderWay] = deque()
        skipped = 0
        try:
            for item in islice(work, self._batches_ahead):
                under_way.append(self._submit(item, ahead))
            while under_way:
                faults = self._native.wait(under_way[0].ticket)
                done = under_way.popleft()
                for item in islice(work, 1):
                    under_way.append(self._submit(item, ahead))
                with self._counting:
                    batch = self._finish(done, faults)
                skipped += len(done.work.indices) - len(batch.indices)
                del done  # the caller alone is to hold the images
                yield batch
                del batch
        finally:
            for waiting in under_way:
                self._native.cancel(waiting.ticket)
            if ahead is not None:
                ahead.end()
        if skipped:
            example = next(reversed(self.skipped.values()))
            warnings.warn(
                f"epoch {number}: {skipped} records were skipped, such as {example}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _work(
        self, epoch: int, order: NDArray[np.int64], start: int, numbers: Numbers | None
    ) -> Iterator[_Work]:
        """Yield what each batch is made of."""
        schedule = self.schedule
        sides = geometry.view_sides(self.recipe, epoch)
        steps_at_once = max(1, _RECORDS_AT_ONCE // schedule.batch_size)
        for first in range(start, len(self), steps_at_once):
            steps = range(first, min(first + steps_at_once, len(self)))
            batches = [schedule.batch(order, step) for step in steps]
            draws = [schedule.draws(order, step) for step in steps]
            rows = geometry.view_rows(
                np.concatenate(batches),
                self.source,
                recipe=self.recipe,
                seed=schedule.seed,
                epoch=epoch,
                keys=np.concatenate([draw.keys for draw in draws]),
            )
            ends = np.cumsum([len(batch) for batch in batches])
            parts = np.split(rows, ends[:-1])
            for step, indices, drawn, part in zip(steps, batches, draws, parts, strict=True):
                yield _Work(step, indices, drawn, part, sides, numbers)

    def _submit(self, work: _Work, ahead: AnyEpochAhead | None) -> _UnderWay:
        step, indices, numbers = work.step, work.indices, work.numbers
        nbytes = 1 if numbers is None else numbers.stored.itemsize
        groups = [
            self.buffers.take((count, len(indices), side, side, 3 * nbytes))
            for count, side in work.sides
        ]
        views = [view for group in groups for view in group]
        rows = np.ascontiguousarray(work.rows).reshape(-1, work.rows.shape[2])
        bicubic = self.recipe.filter == "bicubic"
        normalization = None if numbers is None else numbers.native
        contents = self._contents(step, indices, ahead)
        if contents is not None:
            ticket = self._native.submit_buffers(views, rows, bicubic, normalization, contents)
        else:
            assert ahead is not None
            assert isinstance(self.source, SupportsExtents)
            files = ahead.files(step, indices)
            ticket = self._native.submit_files(
                views,
                rows,
                bicubic,
                normalization,
                np.array([file.descriptor for file in files], np.int32),
                self.source.offset[indices].astype(np.int64),
                self.source.nbytes[indices].astype(np.int64),
                files,
                paths_of(files),
                is_whole(self.source),
                ahead.stream,
                ahead.first(step),
            )
        return _UnderWay(ticket, work, groups, contents)

    def _contents(
        self, step: int, indices: NDArray[np.int64], ahead: AnyEpochAhead | None
    ) -> list[bytes | memoryview] | None:
        """Return what is stored of a batch's records; None if the native threads read files."""
        if ahead is not None:
            return ahead.contents(step, indices)
        assert not isinstance(self.source, SupportsExtents)
        return [self.source.read(index) for index in indices.tolist()]

    def _finish(self, done: _UnderWay, faults: list[tuple[int, str, str]]) -> Decoded:
        bad = []
        indices, draws = done.work.indices, done.work.draws
        kept = np.flatnonzero(self._undecodable[indices]).tolist()
        others = [fault for fault in faults if fault[0] not in kept]
        refused = [(position, "undecodable", UNDECODABLE) for position in kept]
        for position, kind, text in sorted(others + refused):
            try:
                self._resolve(done, position, kind, text)
            except (ImageError, FormatError) as error:
                if self._on_error == "raise":
                    raise
                self.skipped[int(indices[position])] = str(error)
                bad.append(position)
        groups = done.groups
        if bad:
            groups = [np.delete(group, bad, axis=1) for group in groups]
            indices = np.delete(indices, bad)
            draws = draws._replace(keys=np.delete(draws.keys, bad))
        if done.work.numbers is not None:
            groups = [done.work.numbers.viewed(group) for group in groups]
        self.damaged += int(np.count_nonzero(self._damaged[indices]))
        return Decoded(groups, self.source.label[indices].astype(np.int64), indices, draws)

    def _resolve(self, done: _UnderWay, position: int, kind: str, text: str) -> None:
        """Put the image that the native loader did not make into its slots, or raise."""
        index = int(done.work.indices[position])
        name = record_name(self.source, index)
        fill = bool(self._damaged[index])
        if kind == "unreadable":
            raise FormatError(f"{name}: {text}; run {verify_command()}")
        if kind == "undecodable":
            raise ImageError(f"{name}: {text}")
        if kind == "damaged" and not fill:
            raise ImageError(f"{name}: {text}; {CHANGED}")
        if kind not in ("unsupported", "damaged"):
            raise RuntimeError(f"{name}: {text}")
        slots = [view[position] for group in done.groups for view in group]
        numbers = done.work.numbers
        images = slots
        if numbers is not None:
            images = [np.empty((*slot.shape[:2], 3), np.uint8) for slot in slots]
        try:
            decode_into(
                images,
                self._jpeg(index) if done.contents is None else done.contents[position],
                done.work.rows[position],
                filter=self.recipe.filter,
                fill=fill,
            )
        except ImageError as error:
            raise ImageError(f"{name}: {error}; {CHANGED}") from error
        if numbers is not None:
            for image, slot in zip(images, slots, strict=True):
                numbers.of(image[np.newaxis], out=slot.reshape(-1))
        self.decoded_by_pillow += 1

    def _jpeg(self, index: int) -> bytes | memoryview:
        assert isinstance(self.source, SupportsExtents)
        assert self._files is not None
        file = self._files.open(self.source.shard[[index]])[0]
        return read_extent(self.source, file, index)
