"""What is measured and how, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imnet_data.machine import pool

FEWEST_REPEATS = 5  # with fewer, a spread says little; see `compare`


def default_threads() -> tuple[int, ...]:
    """Return 1, 2, 4 and so on, and the number of cores that this process may use."""
    cores = pool.cores()
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
    target: float | None = None  # images a second that are wanted

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("size", 1), ("repeats", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; at least {least} is needed")
        if not self.threads or min(self.threads) < 1:
            raise ValueError(f"threads are {self.threads}; numbers of at least 1 are needed")
        if list(self.threads) != sorted(set(self.threads)):
            raise ValueError(f"threads are {self.threads}; they have to rise")
        for name in ("seconds", "target"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it has to be above 0")
