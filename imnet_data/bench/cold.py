"""Batches of a loader whose records come from storage: other ones in each repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.bench import names
from imnet_data.bench.loading import Loading, opened
from imnet_data.bench.reading import drop

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
        if len(schedule) - self.start < 2:  # one to begin with, and one to time
            self.start = 0
        first = self.start * schedule.batch_size
        for path in self.dataset.files_of(schedule.epoch_order(0)[first : first + _DROPPED]):
            drop(path)

    def batches(self) -> Generator[Done, None, None]:
        """Open the loader, and yield its batches to the end of the epoch."""
        loader = opened(self.dataset, self.work, self.kind, threads=self.threads, device="cpu")
        try:
            for step, batch in enumerate(loader.epoch(0, start=self.start), self.start):
                self.start = step + 1
                yield self.done(0, step, batch)
        finally:
            loader.close()

    def name_of(self, kind: str) -> str:
        """Return the name of the row."""
        return f"{names.COLD_BATCHES} ({kind})"
