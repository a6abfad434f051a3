"""Batches of a loader whose records come from storage: other ones in each repeat."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from imnet_data.bench import names
from imnet_data.bench.loading import Loading
from imnet_data.bench.reading import drop
from imnet_data.loaders.read_ahead import MOST_NBYTES

if TYPE_CHECKING:
    from collections.abc import Generator

    from imnet_data.bench.measurement import Done

_DROPPED = 1 << 15  # records ahead whose files leave the page cache: seconds of any loader


class ColdLoading(Loading):
    """Stage: batches of epoch 0 from where the last repeat stopped, the page cache emptied.

    Arguments are those of `Loading`.
    """

    is_cold: bool | None = True
    start = 0  # batch of epoch 0 that comes next

    def prepare(self) -> None:
        """Empty the page cache of the files that come next."""
        schedule = self.work.schedule
        if self.start > 0:  # past what the last repeat has read ahead, where there is enough
            self.start += min(self._batches_ahead, len(schedule) // 16)
        if len(schedule) - self.start < 2:  # one to begin with, and one to time
            self.start = 0
        first = self.start * schedule.batch_size
        for path in self.dataset.files_of(schedule.epoch_order(0)[first : first + _DROPPED]):
            drop(path)

    def batches(self) -> Generator[Done, None, None]:
        """Open the loader, and yield its batches to the end of the epoch."""
        with contextlib.closing(self.open()) as loader:
            for step, batch in enumerate(loader.epoch(0, start=self.start), self.start):
                self.start = step + 1
                yield self.done(0, step, batch)

    @property
    def _batches_ahead(self) -> int:
        return math.ceil(MOST_NBYTES / self._mean_nbytes / self.work.schedule.batch_size)

    def name_of(self, kind: str) -> str:
        """Return the name of the row."""
        return f"{names.COLD_BATCHES} ({kind})"
