"""Joins the parts of a conversion: manifest, sums and description, and all moved into place.

Several may do so at the same time, and any of them may be killed: each makes the same files in a
folder of its own, and every step is a rename that another may have done before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.conversion import shards, shared_plan, sharing, staging, to_store
from imnet_data.conversion.sharing import Place
from imnet_data.conversion.which_part import Part
from imnet_data.conversion.written import jobs
from imnet_data.dataset import beside, description, opened
from imnet_data.dataset.layout import LABELS, SUMS
from imnet_data.errors import ConvertError, ManifestError
from imnet_data.machine import pool
from imnet_data.machine.progress import no_progress
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.shared_plan import SharedPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.dataset.description import Description
    from imnet_data.machine.progress import Progress

_NAMED = 8  # parts


def join(
    out: StrPath, *, workers: int | None = None, progress: Progress = no_progress
) -> Description:
    """Make a dataset of the parts at `out`, all of which have ended; on a dataset, do nothing.

    Args:
        out: the folder, or the URL, that all parts share.
        workers: processes; by default one for each core.
        progress: called now and then.

    Returns:
        What dataset.json says.

    Raises:
        ConvertError: if shards are missing, naming the parts that are to be run.
    """
    count = pool.worker_count(workers)
    if address.is_url(out):
        return to_store.join(os.fspath(out), count, progress)
    place = Place(arguments.path("out", out))
    if opened.is_dataset(place.out):
        sharing.remove(place)
        return description.read(place.out)
    if not sharing.is_shared(place.out):
        raise ConvertError(
            f"{place.out}: there are no parts to join; `imnet-data convert SOURCE... OUT --part "
            "1/N` makes the first"
        )
    plan = shared_plan.read(place.plan)
    shared_plan.require_software(place.out, plan)
    with sharing.attempt(place, "join") as folder:
        return assemble(place, plan, folder, count, progress)


def assemble(
    place: Place, plan: SharedPlan, folder: Path, workers: int, progress: Progress
) -> Description:
    """Write what describes the dataset in this run's folder, and move all of it into place.

    Raises:
        ConvertError: if shards are missing.
    """
    try:
        left = sharing.missing(place, plan)
        if left and opened.is_dataset(place.out):
            return description.read(place.out)  # another run has joined them, and removed all
        if left:
            raise _incomplete(place, plan, left)
        made = folder / "dataset"
        shards.describe_plan(plan, place.journals, made, workers, progress)
        beside.write(made, description.read(made))
        _move_into_place(place, plan, made)
    except (FileNotFoundError, ManifestError):  # another run joined them first, or it is an error
        if not opened.is_dataset(place.out):
            raise
    sharing.remove(place)
    return description.read(place.out)


def _move_into_place(place: Place, plan: SharedPlan, made: Path) -> None:
    """Rename everything, dataset.json last."""
    for split in plan.splits:
        for path in sorted((made / split).iterdir()):
            _bring(path, place, split)
        _move_split(place, split)
    for name in (LABELS, SUMS, description.FILE_NAME):
        if name == description.FILE_NAME:
            staging.sync_disk_of(place.out)
        sharing.bring(made / name, place.out / name)
    for name in beside.contents(description.read(place.out)):
        if not os.path.lexists(place.out / name):
            sharing.bring(made / name, place.out / name)
    staging.sync_disk_of(place.out)


def _bring(path: Path, place: Place, split: str) -> None:
    """Rename a file into its split, wherever that is by now."""
    try:
        sharing.bring(path, place.shared / split / path.name)
    except FileNotFoundError:  # the split has been moved
        sharing.bring(path, place.out / split / path.name)


def _move_split(place: Place, split: str) -> None:
    try:
        (place.shared / split).rename(place.out / split)
    except FileNotFoundError:  # another run has moved it, unless it is nowhere
        if not (place.out / split).is_dir():
            raise


def _incomplete(place: Place, plan: SharedPlan, left: Sequence[ShardJob]) -> ConvertError:
    everything = jobs(plan.splits)
    missing = set(left)
    numbers = [number for number, job in enumerate(everything) if job in missing]
    counts = sharing.part_counts(place)
    where = ""
    if len(counts) == 1:
        (count,) = counts
        parts = sorted({number % count + 1 for number in numbers})
        named = ", ".join(str(Part(number, count)) for number in parts[:_NAMED])
        more = f" and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
        where = f", of part{'s' * (len(parts) > 1)} {named}{more}"
    return ConvertError(
        f"{place.out}: {len(left):,} of {len(everything):,} shards are not there yet (the first is "
        f"number {left[0].number} of {left[0].split}){where}; run what is missing, then join again"
    )
