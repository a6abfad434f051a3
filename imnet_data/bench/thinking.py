"""Batches for an accelerator that is busy with each for a while: how much of the time it waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imnet_data.bench import names
from imnet_data.bench.loading import Loading

if TYPE_CHECKING:
    from collections.abc import Generator

    from imnet_data.bench.measurement import Done


class Thinking(Loading):
    """Stage: each batch is taken when the step on the one before has had its time.

    The step does nothing, and leaves the cores to the loader, as an accelerator's does.
    """

    step_seconds = 0.0  # think time, of a batch

    def with_step(self, seconds: float) -> Thinking:
        """Return the stage with so many seconds for the step on a batch."""
        self.step_seconds = seconds
        return self

    def name_of(self, kind: str) -> str:
        """Return the name of the row."""
        return f"{names.THINKING} ({kind})"

    def batches(self) -> Generator[Done, None, None]:
        """Yield batches, each after its step."""
        for done in super().batches():
            time.sleep(self.step_seconds)
            yield done
