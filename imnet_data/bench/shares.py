"""Where the time of a loader goes: the stages' work, waiting that has a name, and the rest.

All are shares of what was measured, the clock of each of the loader's threads: a stage that takes
half of the CPU time of a loader that waits most of the time is no limit.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from imnet_data.bench.names import DECODE, READ_WARM, RESIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.bench.measurement import Measurement, Repeat
    from imnet_data.bench.report import DatasetReport

QUOTA = "standing still under the CPU quota"
FOR_CORE = "waiting for a core"
FOR_STORAGE = "waiting for storage"
FETCHING = "fetching from storage"
REST = "work that no stage explains"


def shares(dataset: DatasetReport, loader: Measurement) -> dict[str, float]:
    """Return shares of the loader's time by what it was spent on; they add up to 1.

    Stages that were measured alone may take more than the whole does: then they share all of it.
    """
    lanes = loader.threads / loader.images_per_second  # seconds of a thread per image
    found = {
        stage.name: stage.cpu_seconds_per_image / lanes
        for stage in map(dataset.find, (READ_WARM, DECODE, RESIZE))
        if stage
    }
    work = sum(found.values())
    quota = (_middle(loader, lambda one: one.throttled_seconds) or 0.0) / loader.threads
    queue = (_middle(loader, lambda one: one.core_wait_seconds) or 0.0) / loader.threads
    # the wait under a quota is among the others
    waits = {QUOTA: min(1.0, quota), FOR_CORE: min(1.0, max(0.0, queue - quota))}
    found |= {name: share for name, share in waits.items() if share >= 0.01}
    total = sum(found.values())
    if total >= 1:
        return {name: share / total for name, share in found.items()}
    if not loader.is_cold:
        return {**found, REST: 1 - total}
    # a cold loader does all that a warm one does; beyond it, it fetches bytes, and waits for them
    fetching = min(1 - total, max(0.0, loader.cpu_seconds_per_image / lanes - work))
    return {**found, FETCHING: fetching, FOR_STORAGE: 1 - total - fetching}


def _middle(loader: Measurement, of: Callable[[Repeat], float | None]) -> float | None:
    """Return the median of seconds per second of the repeats; None where they are not known."""
    seconds = [of(one) for one in loader.repeats]
    known = [
        spent / one.seconds
        for spent, one in zip(seconds, loader.repeats, strict=True)
        if spent is not None
    ]
    return statistics.median(known) if known else None
