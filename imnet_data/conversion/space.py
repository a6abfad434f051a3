"""Whether a conversion fits on the disk, before anything is written."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.conversion import plan, shard
from imnet_data.errors import ConvertError, ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.conversion.plan import SplitPlan
    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.written import ShardJob

_SAMPLE = 32  # images that are prepared to see how large they become
_log = logging.getLogger("imnet_data")


def size(plans: Mapping[str, SplitPlan], jobs: Sequence[ShardJob]) -> tuple[int, int]:
    """Count the records and published bytes of jobs."""
    nbytes = [plans[job.split].records.listing.nbytes[_rows(plans, job)] for job in jobs]
    return sum(map(len, nbytes)), sum(int(each.sum()) for each in nbytes)


def check(writing: Writing, jobs: Sequence[ShardJob], out: Path, *, freed_nbytes: int = 0) -> None:
    """Refuse jobs that do not fit, or warn where what they need can only be guessed.

    Raises:
        ConvertError: if images are stored in about their published size, and do not fit.
    """
    count, nbytes = size(writing.plans, jobs)
    options = writing.options
    is_guess = bool(options.raw or options.shrinks)
    if is_guess:
        nbytes = int(nbytes * _ratio(writing, jobs))
    needed = nbytes + count * plan.OVERHEAD_NBYTES
    free = shutil.disk_usage(out).free + freed_nbytes
    if needed <= free:
        return
    room = f"{_text(needed)} are needed and {_text(free)} are free"
    if not is_guess:
        raise ConvertError(f"{out}: {room}; make room, or choose another place")
    _log.warning(
        f"{out}: by a sample of {_SAMPLE} images, {room}; if the disk fills up, make room and run "
        "the same command: it resumes where it stopped"
    )


def _rows(plans: Mapping[str, SplitPlan], job: ShardJob) -> NDArray[np.int64]:
    planned = plans[job.split]
    return planned.rows[planned.starts[job.number] : planned.starts[job.number + 1]]


def _ratio(writing: Writing, jobs: Sequence[ShardJob]) -> float:
    """Return how many bytes are stored for each that was published, by some of the images."""
    rows = [_rows(writing.plans, job) for job in jobs]
    ends = np.cumsum([len(each) for each in rows])
    stored = published = 0
    for place in np.unique(np.linspace(0, ends[-1] - 1, _SAMPLE).astype(np.int64)) if jobs else ():
        job = int(np.searchsorted(ends, place, "right"))
        row = int(rows[job][place - ends[job]])  # counted from the end of the job's rows
        records = writing.plans[jobs[job].split].records
        try:
            stored += shard.stored_nbytes(writing, records, row)
        except ImageError:  # it is reported when its shard is written
            continue
        published += int(records.listing.nbytes[row])
    return stored / published if published else 1.0


def _text(nbytes: int) -> str:
    return f"{nbytes / 1e9:.1f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.1f} MB"
