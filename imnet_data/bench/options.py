"""What is measured and how, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imnet_data.arguments import MAX_SIDE, MAX_THREADS, integer, number, one_of
from imnet_data.machine import limits

FEWEST_REPEATS = 5  # with fewer, a spread says little; see `compare`


def default_threads() -> tuple[int, ...]:
    """Return 1, 2, 4 and so on, and the number of cores that this process may use."""
    cores = limits.cores()
    return (*(1 << power for power in range(cores.bit_length()) if 1 << power < cores), cores)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is measured, and how; equal options are what makes two reports comparable."""

    loader: Literal["cpu", "dali", "torch"] = "cpu"
    threads: tuple[int, ...] = (1,)  # of the loader, rising; storage is read with the most
    batch_size: int = 64
    size: int = 224  # side of the images that are made, pixels
    seconds: float = 0.5  # of each repeat of each stage
    repeats: int = 5
    model: str | None = None  # as `train.models.build_model` takes it; None: no model step
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # of the model step
    target: float | None = None  # images per second that are needed
    gpus: int | None = None  # that train at once; None: all that are visible
    ranks: int = 1  # loaders side by side, each in a process with its share of the threads

    def __post_init__(self) -> None:
        one_of("loader", self.loader, ("cpu", "dali", "torch"))
        one_of("precision", self.precision, ("fp32", "bf16", "fp16"))
        integer("batch_size", self.batch_size, least=1)
        integer("size", self.size, least=1, most=MAX_SIDE)
        integer("repeats", self.repeats, least=1)
        integer("ranks", self.ranks, least=1, most=MAX_THREADS)
        if self.gpus is not None:
            integer("gpus", self.gpus, least=1)
        if not isinstance(self.threads, tuple) or not self.threads:
            raise ValueError(
                f"threads is {self.threads!r}; allowed are tuples of increasing numbers"
            )
        for position, threads in enumerate(self.threads):
            integer(f"threads[{position}]", threads, least=1, most=MAX_THREADS)
        if list(self.threads) != sorted(set(self.threads)):
            raise ValueError(f"threads are {self.threads}; they must increase")
        number("seconds", self.seconds, above=0)
        if self.target is not None:
            number("target", self.target, above=0)
