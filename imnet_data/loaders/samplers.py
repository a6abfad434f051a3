"""What trainers call `loader.sampler` and `loader.batch_sampler`: one rank's record numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.dali import DaliLoader


class Sampled(Protocol):
    """What a sampler needs of the loader that it belongs to."""

    loader: CpuLoader | DaliLoader
    batch_sampler: EpochBatchSampler

    @property
    def batch_size(self) -> int:
        """Records in a batch of one rank."""

    @property
    def drop_last(self) -> bool:
        """Whether records that do not fill a batch are left out."""

    @property
    def next_epoch(self) -> int:
        """The epoch that the next iteration gives."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""

    def __len__(self) -> int: ...


class EpochSampler:
    """The numbers of this rank's records in the epoch that comes next."""

    def __init__(self, loader: Sampled) -> None:
        self._loader = loader

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration of the loader."""
        self._loader.set_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of records in an epoch of this rank."""
        schedule = self._loader.loader.schedule
        numbers = np.arange(schedule.count)
        return sum(len(schedule.batch(numbers, step)) for step in range(len(schedule)))

    def __iter__(self) -> Iterator[int]:
        for batch in self._loader.batch_sampler:
            yield from batch


class EpochBatchSampler:
    """The same numbers, a list of them for each batch."""

    def __init__(self, sampler: EpochSampler, loader: Sampled) -> None:
        self.sampler = sampler
        self._loader = loader

    @property
    def batch_size(self) -> int:
        """Records in a batch of one rank."""
        return self._loader.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether records that do not fill a batch are left out."""
        return self._loader.drop_last

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[list[int]]:
        schedule = self._loader.loader.schedule
        order = schedule.epoch_order(self._loader.next_epoch)
        for step in range(len(schedule)):
            yield schedule.batch(order, step).tolist()
