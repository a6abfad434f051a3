"""Measures a loader whose records come from storage, beside the same one in memory and the disk.

    python benchmarks/bench_cold.py DATASET [--threads 1,2] [--order shuffled] [--loader cpu]
        [--memory BYTES]

In each round, the next batches of epoch 0 are loaded with the page cache emptied, and again from
memory, where plain reads have brought them; then others are read from storage by plain reads in 16
threads, which is what the disk gives at such a queue depth. Cold is to be 0.95 of the smaller of
the two. Whether bytes came from storage is read from /proc/self/io, and printed as a share of the
bytes of the records.

With --memory, the loader is told that the machine has no more, so that it reads most records of a
larger dataset past the page cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import imnet_data
from imnet_data import TrainRecipe
from imnet_data.bench.machine import Watch
from imnet_data.bench.reading import drop
from imnet_data.bench.stored import StoredReader
from imnet_data.dataset.opened import Dataset
from imnet_data.loaders.schedule import Schedule
from imnet_data.machine import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imnet_data.loaders.schedule import Order

_BATCH_SIZE = 64
_DEPTH = 16
_MOST_AHEAD = 64  # batches that a loader may read beyond those that it is asked for


class Run(NamedTuple):
    """One part of a round."""

    speed: float  # images per second
    cpu_us: float  # per image, of all threads
    from_storage: float  # share of the records' bytes
    first_ms: float  # from the opening to the first batch


class Bench:
    """The batches of epoch 0 of a dataset, some of them in each round."""

    def __init__(self, dataset: Dataset, order: Order, *, decoder: str, batches: int) -> None:
        self.dataset, self.decoder, self.batches = dataset, decoder, batches
        self.schedule = Schedule(count=len(dataset), batch_size=_BATCH_SIZE, order=order)
        self.order = self.schedule.epoch_order(0)

    def loader(self, start: int, *, threads: int, cold: bool) -> Run:
        """Time some batches after the first one."""
        if cold:
            self.drop(start)
        else:
            self.read(start, self.batches + _MOST_AHEAD)
        watch, opened = Watch(), time.perf_counter()
        with imnet_data.open_loader(
            self.dataset.root,
            TrainRecipe(size=224),
            batch_size=_BATCH_SIZE,
            split=self.dataset.split,
            order=self.schedule.order,
            threads=threads,
            decoder=self.decoder,
        ) as loader:
            epoch = loader.epoch(0, start=start)
            next(epoch)
            began, cpu = time.perf_counter(), time.process_time()
            images = sum(len(batch.images) for batch in islice(epoch, self.batches - 1))
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            share = (watch.storage_nbytes() or 0) / self.nbytes(start)
        return Run(images / seconds, cpu / images * 1e6, share, (began - opened) * 1e3)

    def disk(self, start: int) -> Run:
        """Time plain reads of the records of some batches."""
        self.drop(start)
        watch = Watch()
        began, cpu = time.perf_counter(), time.process_time()
        self.read(start, self.batches)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        images = self.batches * _BATCH_SIZE
        share = (watch.storage_nbytes() or 0) / self.nbytes(start)
        return Run(images / seconds, cpu / images * 1e6, share, 0)

    def read(self, start: int, batches: int) -> None:
        """Read the records of some batches, and forget them."""
        with StoredReader(self.dataset, threads=_DEPTH) as reader:
            for step in range(start, min(start + batches, len(self.schedule))):
                reader.read(self.schedule.batch(self.order, step))

    def nbytes(self, start: int) -> int:
        records = self.order[start * _BATCH_SIZE : (start + self.batches) * _BATCH_SIZE]
        return int(self.dataset.index.nbytes[records].sum())

    def drop(self, start: int) -> None:
        """Empty the page cache of what comes from batch `start` on."""
        for path in self.dataset.files_of(self.order[start * _BATCH_SIZE :]):
            drop(path)


def _row(name: str, runs: Iterable[Run]) -> str:
    runs = [*runs]
    middle = Run(*(statistics.median(column) for column in zip(*runs, strict=True)))
    low, high = min(run.speed for run in runs), max(run.speed for run in runs)
    return (
        f"{name:22} {middle.speed:8,.0f} images/s ({low:,.0f} to {high:,.0f})  "
        f"{middle.cpu_us:5.0f} us of CPU/image  {middle.from_storage:5.2f} from storage"
        + (f"  first batch after {middle.first_ms:4.0f} ms" if middle.first_ms else "")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="A loader from storage, from memory, the disk.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--threads", default="1,2", help="numbers of threads of the loader")
    parser.add_argument("--order", default="shuffled", choices=["shuffled", "block", "sequential"])
    parser.add_argument("--loader", default="cpu", choices=["cpu", "dali"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=20, help="of 64 images, per round")
    parser.add_argument("--memory", type=int, help="bytes that the loader is to count on")
    arguments = parser.parse_args()
    if arguments.memory is not None:
        limits.memory_nbytes = lambda: arguments.memory
    with Dataset.open(arguments.dataset) as dataset:
        bench = Bench(dataset, arguments.order, decoder=arguments.loader, batches=arguments.batches)
        for threads in map(int, arguments.threads.split(",")):
            rounds = []
            for number in range(arguments.rounds):
                start = 2 * number * arguments.batches % (len(bench.schedule) - 2 * bench.batches)
                cold = bench.loader(start, threads=threads, cold=True)
                warm = bench.loader(start, threads=threads, cold=False)
                rounds.append((cold, warm, bench.disk(start + arguments.batches)))
            rows = [*zip(*rounds, strict=True)]
            print(f"{arguments.loader} loader, {threads} threads, {arguments.order}")
            for name, runs in zip(("cold", "warm", f"disk, {_DEPTH} reads"), rows, strict=True):
                print(_row(name, runs))
            ratios = [cold.speed / min(warm.speed, disk.speed) for cold, warm, disk in rounds]
            print(
                f"cold / min(warm, disk): {statistics.median(ratios):.3f} "
                f"({min(ratios):.3f} to {max(ratios):.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
