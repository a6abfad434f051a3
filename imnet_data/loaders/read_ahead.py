"""Reading ahead: what an epoch reads next is fetched before a thread of the loader waits for it.

At most 64 MB of a loader are fetched that no thread has begun to decode, of at most the next few
thousand records. They come into the page cache, where threads of the loader read them as ever.

In stored order, this is left to the system if it reads a megabyte or more ahead by itself.

A dataset that memory cannot hold would find next to none of them there in the next epoch, as each
drives out another. So a share of it, always the same records, goes through the page cache and stays
there. The others are read past it, which takes half the CPU time. Pixels do not depend on it.

A dataset in a store is read so from its cache once all of it is there (before: `remote_ahead`).

In `block` order, blocks are asked for one after another, a group ahead (see `schedule`): 8 MB at a
time, but up to two groups, 3.6 GB of photographs, lie in the page cache.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import FormatError
from imnet_data.loaders.remote_ahead import RemoteAhead
from imnet_data.loaders.remote_epoch import RemoteEpoch
from imnet_data.loaders.schedule import BLOCK, GROUP, shuffled_blocks
from imnet_data.loaders.source import is_whole
from imnet_data.machine import limits
from imnet_data.native import _native

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imnet_data.loaders.files import Files
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import SupportsExtents
    from imnet_data.machine.open_file import OpenFile

MOST_NBYTES = 64 << 20
_MOST_RECORDS = 4096  # whose places are known to the native threads beyond the batches under way
_RECORDS_AT_ONCE = 256  # that they are told of together: Python's cost is by the call
_PIECE = 4 << 20  # of a block, which a thread waits for
_THREADS = 2
_THREADS_FOR_FILES = 4  # opening a file waits for storage, too
_THREADS_PAST_CACHE = 16  # each waits for its record: that many reads are on their way
_FITS = 0.8  # of the memory for a dataset that is to stay there
_KEPT = 0.5  # of the memory for the share of a larger one; programs and other data need the rest
_FAR = 1024  # KiB; where records lie one after another, ten of them on their way
_GOLDEN = 0x9E3779B1  # 2^32 over the golden ratio: its multiples lie evenly


class ReadAhead:
    """Reads ahead for the epochs of one loader, which share the 64 MB."""

    def __init__(self, source: SupportsExtents, files: Files) -> None:
        self._source, self._files = source, files
        self._remote = RemoteAhead.of(source, files)
        self._native: _native.ReadAhead | None = None  # made where an epoch begins: it has threads
        nbytes = max(1, int(source.nbytes.sum()))
        self._records = min(_MOST_RECORDS, MOST_NBYTES * len(source.nbytes) // nbytes + 1)
        memory = limits.memory_nbytes()
        self._share = 1.0 if nbytes <= _FITS * memory else _KEPT * memory / nbytes

    def epoch(
        self, schedule: Schedule, order: NDArray[np.int64], *, epoch: int, start: int
    ) -> AnyEpochAhead:
        """Return what reads ahead for an epoch in `order`, from batch `start` on."""
        if self._remote is not None and not self._remote.is_cached:
            return self._remote.epoch(schedule, order, epoch=epoch, start=start)
        if self._native is None:
            threads = _THREADS_FOR_FILES if is_whole(self._source) else _THREADS
            if self._share < 1:
                threads = _THREADS_PAST_CACHE
            self._native = _native.ReadAhead(MOST_NBYTES, threads)
        stream = _Stream(self._native, self._source, in_window=schedule.order != "block")
        if schedule.order == "block":
            return BlocksAhead(stream, self._files, schedule, epoch=epoch, start=start)
        return EpochAhead(
            stream,
            self._files,
            schedule,
            order=order,
            start=start,
            records=self._records,
            share=self._share,
            asks=not self._is_left_to_the_system(schedule),
        )

    def _is_left_to_the_system(self, schedule: Schedule) -> bool:
        """Return whether Linux itself reads as far ahead, which costs it less than being asked."""
        is_in_order = schedule.order == "sequential" and schedule.world_size == 1
        if not is_in_order or self._share < 1 or is_whole(self._source):
            return False
        paths = self._source.shard_paths
        return len(paths) > 0 and _system_ahead(paths[0]) >= _FAR

    def close(self) -> None:
        """End the threads."""
        if self._native is not None:
            self._native.close()
        if self._remote is not None:
            self._remote.close()


def _system_ahead(path: Path) -> int:
    """Return how many KiB the system reads ahead on a file's device; 0 where it does not say."""
    try:
        device = path.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        return int((Path("/sys/class/bdi") / number / "read_ahead_kb").read_text())
    except (OSError, ValueError):
        return 0


class _Stream:
    """What the native threads are told, and the files that they must find open."""

    def __init__(
        self, native: _native.ReadAhead, source: SupportsExtents, *, in_window: bool
    ) -> None:
        self._native, self.source = native, source
        self.native = native.open(in_window)
        self._held: deque[list[OpenFile]] = deque()

    def add(
        self,
        files: list[OpenFile],
        offsets: NDArray[np.int64],
        nbytes: NDArray[np.int64],
        *,
        direct: NDArray[np.bool_],
    ) -> None:
        paths = paths_of(files)
        for place in np.flatnonzero(direct).tolist():
            paths[place] = os.fsencode(files[place].path)
        ended = self._native.add(
            self.native,
            np.array([file.descriptor for file in files], np.int32),
            offsets.astype(np.int64),
            nbytes.astype(np.int64),
            paths,
            direct,
            is_whole(self.source),
        )
        self._held.append(files)
        for _ in range(ended):
            self._held.popleft()

    def end(self) -> None:
        self._native.end(self.native)
        self._held.clear()


class EpochAhead:
    """Reads ahead in the order of an epoch."""

    def __init__(
        self,
        stream: _Stream,
        files: Files,
        schedule: Schedule,
        *,
        order: NDArray[np.int64],
        start: int,
        records: int,
        share: float,
        asks: bool = True,
    ) -> None:
        self._stream, self._files, self._schedule, self._order = stream, files, schedule, order
        self._start = self._next = start
        self._steps = -(-records // schedule.batch_size)
        self._steps_at_once = -(-_RECORDS_AT_ONCE // schedule.batch_size)
        self._opened: dict[int, list[OpenFile]] = {}
        self._goes_on = asks
        self._share = share  # of the records that go through the page cache

    @property
    def stream(self) -> _native.ReadAheadStream | None:
        """Is told which records are being read: each batch's, from number `first` on."""
        return self._stream.native

    def first(self, step: int) -> int:
        """Return the number in the stream of the first record of a batch."""
        return (step - self._start) * self._schedule.batch_size

    def files(self, step: int, indices: NDArray[np.int64]) -> list[OpenFile]:
        """Ask for what batch `step` and its successors will read; return the files of `indices`.

        Raises:
            FormatError: if one of them cannot be opened.
        """
        self._ask(step)
        opened = self._opened.pop(step, None)
        return self._files.open(self._stream.source.shard[indices]) if opened is None else opened

    def contents(self, step: int, indices: NDArray[np.int64]) -> None:
        """Return None: the records are read from files."""
        del step, indices

    def taking(self, step: int, files: list[OpenFile]) -> Iterator[OpenFile | bytes]:
        """Yield of each record of a batch what was read ahead of it, or the file that has it."""
        for number, file in enumerate(files, self.first(step)):
            content = None if self.stream is None else self.stream.take(number)
            yield file if content is None else content

    def end(self) -> None:
        """Ask for nothing more."""
        self._stream.end()

    def _ask(self, step: int) -> None:
        until = min(len(self._schedule), step + 1 + self._steps)
        while self._goes_on and self._next < until:
            steps = range(self._next, min(self._next + self._steps_at_once, len(self._schedule)))
            try:
                self._add(steps)
            except FormatError:  # of a batch that is not due yet: it is said when it is
                self._goes_on = False
            self._next = steps.stop

    def _add(self, steps: range) -> None:
        source = self._stream.source
        batches = [self._schedule.batch(self._order, step) for step in steps]
        indices = np.concatenate(batches)
        files = self._files.open(source.shard[indices])
        # the same records in each epoch: those in the page cache are found there again
        direct = indices * _GOLDEN % (1 << 32) >= self._share * (1 << 32)
        self._stream.add(files, source.offset[indices], source.nbytes[indices], direct=direct)
        ends = np.cumsum([len(batch) for batch in batches]).tolist()
        for step, batch, end in zip(steps, batches, ends, strict=True):
            self._opened[step] = files[end - len(batch) : end]


class BlocksAhead(EpochAhead):
    """Reads the blocks of the next group ahead while one is in use."""

    def __init__(
        self, stream: _Stream, files: Files, schedule: Schedule, *, epoch: int, start: int
    ) -> None:
        super().__init__(
            stream, files, schedule, order=np.empty(0, np.int64), start=start, records=0, share=1.0
        )
        self._blocks = shuffled_blocks(schedule.count, seed=schedule.seed, epoch=epoch)
        self._asked = self._blocks_before(start) // GROUP * GROUP

    @property
    def stream(self) -> None:
        """Is none: what is read next is in the page cache already."""
        return None

    def _ask(self, step: int) -> None:
        until = GROUP + self._blocks_before(step + 1)
        blocks = self._blocks[self._asked : until].tolist()
        self._asked = max(self._asked, until)
        pieces = [piece for block in blocks if self._goes_on for piece in self._pieces(block)]
        if pieces:
            files, offsets, nbytes = zip(*pieces, strict=True)
            direct = np.zeros(
                len(files), np.bool_
            )  # what comes so early is found in the cache only
            self._stream.add([*files], np.array(offsets), np.array(nbytes), direct=direct)

    def _blocks_before(self, step: int) -> int:
        schedule = self._schedule
        return step * schedule.global_batch_size // schedule.repeats // BLOCK

    def _pieces(self, block: int) -> Iterator[tuple[OpenFile, int, int]]:
        source = self._stream.source
        records = slice(block * BLOCK, (block + 1) * BLOCK)
        shards, offsets = source.shard[records], source.offset[records]
        ends = offsets + source.nbytes[records]
        for shard in np.unique(shards):
            start, end = int(offsets[shards == shard].min()), int(ends[shards == shard].max())
            try:
                (file,) = self._files.open(np.array([shard]))
                end = min(end, file.nbytes)  # what the index says may be damaged
            except (FormatError, OSError):  # of a batch that is not due yet: it is said when it is
                self._goes_on = False
                return
            for offset in range(start, end, _PIECE):
                yield file, offset, min(_PIECE, end - offset)


AnyEpochAhead = EpochAhead | RemoteEpoch


def paths_of(files: list[OpenFile]) -> list[bytes]:
    """Return the paths of those files that are to be opened for each read, for the native code."""
    return [b"" if file.descriptor >= 0 else os.fsencode(file.path) for file in files]
