"""One stage, timed: repeats of batches, and the figures that are made of them."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from imnet_data.bench.machine import Watch
from imnet_data.bench.names import COLD_BATCHES

if TYPE_CHECKING:
    from collections.abc import Generator

COLD_SHARE = 0.9  # of the bytes that have to come from storage for "cold"
_TAIL = 0.025  # of either end of an interval
_WARM_SHARE = 0.1  # of the bytes that may come from storage for "warm"


class Done(NamedTuple):
    """One batch."""

    images: int
    nbytes: int  # of what went in


class Row(Protocol):
    """What a row of the report is of."""

    @property
    def name(self) -> str:
        """What it does; one row of the report."""

    @property
    def threads(self) -> int:
        """How many threads work on it."""

    @property
    def takes(self) -> str:
        """What its bytes are of."""

    @property
    def is_cold(self) -> bool | None:
        """Whether its bytes are to come from storage; None where it reads none."""

    def check(self) -> int:
        """Compare images of the last batch with what they must be; return how many."""


class Stage(Row, Protocol):
    """What can be timed: gives batches, and checks the last one."""

    def prepare(self) -> None:
        """Do what is not timed: fill the page cache, or empty it."""

    def batches(self) -> Generator[Done, None, None]:
        """Begin anew, and do batches for as long as they are asked for."""


class Repeat(NamedTuple):
    """One repeat of one stage."""

    images: int
    nbytes: int  # of what went in
    seconds: float  # by the clock
    cpu_seconds: float  # of all threads of this process
    batch_seconds: list[float]
    first_batch_seconds: float  # from the opening on; not among the others, but of cold reads
    peak_nbytes: int | None  # of memory, above what was held before
    storage_nbytes: int | None  # fetched from storage
    others_cores: float | None  # that other processes used
    core_wait_seconds: float | None = None  # of threads that were ready to run and had no core
    throttled_seconds: float | None = None  # in which a quota of CPU time stopped everything


@dataclass(kw_only=True)
class Measurement:
    """One stage, with all its repeats."""

    name: str
    threads: int
    takes: str
    is_cold: bool | None
    checked: int = 0  # images
    repeats: list[Repeat] = field(default_factory=list)

    @property
    def speeds(self) -> list[float]:
        """Images per second of each repeat."""
        return [repeat.images / repeat.seconds for repeat in self.repeats]

    @property
    def images_per_second(self) -> float:
        """Of the middle repeat."""
        return statistics.median(self.speeds)

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of the median speed: at least 95 % sure from 6 repeats on, else the range."""
        ordered = sorted(self.speeds)
        return ordered[_cut(len(ordered))], ordered[-1 - _cut(len(ordered))]

    @property
    def width(self) -> float:
        """How wide the interval is, as a share of the median."""
        low, high = self.interval
        return (high - low) / self.images_per_second

    @property
    def fewest_batches(self) -> int:
        """Timed batches of the repeat that has the fewest."""
        return min(len(one.batch_seconds) for one in self.repeats)

    @property
    def takes_one_core(self) -> bool:
        """Whether as many cores would make as many times the images: work on what is in memory."""
        return self.threads == 1 and self.is_cold is None

    @property
    def spread(self) -> float:
        """How far the fastest and the slowest repeat are apart, as a share of the middle one."""
        return (max(self.speeds) - min(self.speeds)) / self.images_per_second

    @property
    def nbytes_per_second(self) -> float:
        """Of what goes in, of the middle repeat."""
        return statistics.median(repeat.nbytes / repeat.seconds for repeat in self.repeats)

    @property
    def cpu_costs(self) -> list[float]:
        """CPU seconds per image of each repeat."""
        return [repeat.cpu_seconds / repeat.images for repeat in self.repeats]

    @property
    def cpu_seconds_per_image(self) -> float:
        """Of the middle repeat; 0 where another device does the work."""
        return statistics.median(self.cpu_costs)

    @property
    def images_per_core_second(self) -> float | None:
        """Images that one core makes in a second of its time."""
        cost = self.cpu_seconds_per_image
        return 1 / cost if cost else None

    @property
    def batch_seconds(self) -> list[float]:
        """Of all batches of all repeats."""
        return [seconds for repeat in self.repeats for seconds in repeat.batch_seconds]

    def batch_percentile(self, percent: float) -> float:
        """Return the time in seconds that so many percent of the batches keep to."""
        return float(np.percentile(self.batch_seconds, percent))

    @property
    def first_batch_seconds(self) -> float:
        """From the opening to the first batch, of the middle repeat."""
        return statistics.median(repeat.first_batch_seconds for repeat in self.repeats)

    @property
    def peak_nbytes(self) -> int | None:
        """The highest of all repeats."""
        peaks = [repeat.peak_nbytes for repeat in self.repeats if repeat.peak_nbytes is not None]
        return max(peaks, default=None)

    @property
    def cache(self) -> str:
        """Return where the bytes came from: "cold" and "warm" are measured, never assumed."""
        if self.is_cold is None:
            return ""
        if any(repeat.storage_nbytes is None for repeat in self.repeats):
            return "warm (unknown whether the cache was dropped)" if self.is_cold else ""
        shares = [(repeat.storage_nbytes or 0) / repeat.nbytes for repeat in self.repeats]
        if self.is_cold:
            is_dropped = min(shares) >= COLD_SHARE
            return "cold" if is_dropped else "warm (cache could not be dropped)"
        most = max(shares)
        if most > 1:  # the system reads ahead of what was requested
            return f"from storage, {most:.1f} times the bytes with read-ahead"
        return "warm" if most <= _WARM_SHARE else f"{most:.0%} from storage"


def _cut(repeats: int) -> int:
    """Return how many repeats at each end are outside of the interval, by the sign test."""
    cut, tail = 0, math.comb(repeats, 0) / 2**repeats
    while (tail := tail + math.comb(repeats, cut + 1) / 2**repeats) <= _TAIL:
        cut += 1
    return cut


def measurement_of(stage: Row) -> Measurement:
    """Begin the measurement of a stage."""
    return Measurement(
        name=stage.name, threads=stage.threads, takes=stage.takes, is_cold=stage.is_cold
    )


def repeat(stage: Stage, *, seconds: float) -> Repeat:
    """Time a stage once, for `seconds` or until it has no more batches.

    The first batch warms up and opens files, so it is timed apart. It counts where there is no
    other one, and of cold reads, whose opening is short and whose bytes come only once.
    """
    stage.prepare()
    watch = Watch()
    opened = time.perf_counter()
    cpu_began = time.process_time()
    with contextlib.closing(stage.batches()) as batches:
        opening = [next(batches)]
        began = last = time.perf_counter()
        first = began - opened
        done, times = [], []
        if stage.is_cold and not stage.name.startswith(COLD_BATCHES):
            began, done, times = opened, [*opening], [first]
        else:
            cpu_began = time.process_time()
        while last - began < seconds and (batch := next(batches, None)) is not None:
            now = time.perf_counter()
            times.append(round(now - last, 7))  # as JSON has them
            done.append(batch)
            last = now
        if not times:  # there is no other batch
            began, done, times = opened, opening, [first]
        cpu_seconds = time.process_time() - cpu_began
        meanwhile = watch.others()
        storage_nbytes = watch.storage_nbytes()
        core_wait = watch.core_wait_seconds()
        throttling = watch.throttling()
    return Repeat(
        images=sum(batch.images for batch in done),
        nbytes=sum(batch.nbytes for batch in done),
        seconds=last - began,
        cpu_seconds=cpu_seconds,
        batch_seconds=times,
        first_batch_seconds=first,
        peak_nbytes=watch.peak_nbytes(),
        storage_nbytes=storage_nbytes,
        others_cores=None if meanwhile is None else meanwhile.used,
        core_wait_seconds=core_wait,
        throttled_seconds=None if throttling is None else throttling.seconds,
    )
