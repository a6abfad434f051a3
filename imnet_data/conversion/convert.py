"""Converts any source, or a dataset, to a dataset: plan, shards, manifest.

All that is not finished lies in `OUT/.part`; it is renamed into place at the end, dataset.json
last, so that a folder without dataset.json is never taken for a dataset.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imnet_data import arguments, formats
from imnet_data.conversion import (
    agreement,
    compressed,
    journal,
    planning,
    refused,
    shard,
    shards,
    space,
    staging,
    to_store,
)
from imnet_data.dataset import beside, description, opened
from imnet_data.dataset.description import NOTHING_ASKED, Description, Options
from imnet_data.machine import files, pool
from imnet_data.machine.progress import no_progress
from imnet_data.sources.listing import Listings
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.plan import Conversion
    from imnet_data.conversion.shard import Writing
    from imnet_data.machine.progress import Progress

_PLAN = "plan.json"


def convert(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    workers: int | None = None,
    force: bool = False,
    stage: StrPath | None = None,
    progress: Progress = no_progress,
) -> Description:
    """Convert sources to a dataset at `out`; go on with it if an earlier run was stopped.

    Args:
        paths: tarballs, folders, or one dataset, or URLs of those; see `sources.open_sources`.
        out: the folder to be made, or a URL of s3://, gs:// or az://.
        format: one of `formats.FORMATS`.
        split: the only split to be taken; by default all that are found.
        options: what decides the bytes.
        workers: processes; by default one for each core.
        force: whether a dataset or an unfinished conversion at `out` is removed, once the new one
            is planned; if other files lie in its folders, it is refused. In a store nothing is.
        stage: for a URL: a folder on a local disk, for as many shards as there are workers; by
            default the system's temporary folder.
        progress: called several times a second.

    Returns:
        What dataset.json says.

    Raises:
        ImnetError: if anything is wrong; nothing is left under a final name then.
    """
    formats.get(format)
    roots, worker_count = arguments.places("paths", paths), pool.worker_count(workers)
    if address.is_url(out):
        if force:
            raise ValueError("force is True, and out is a URL; remove the objects there instead")
        asked = to_store.asked_here(format, split, options, stage, worker_count)
        return to_store.convert_to_store(roots, os.fspath(out), asked, progress)
    to_store.refuse_stage(stage)
    out = arguments.path("out", out)
    planning.refuse_own_source(roots, out)
    with (
        staging.held(out) as stage,
        planning.planned(
            roots,
            stage,
            format_name=format,
            split=split,
            options=options,
            listings=Listings(stage / staging.LISTINGS, stage / staging.LISTINGS),
            progress=progress,
        ) as conversion,
    ):
        if force:
            writing = shards.planned_writing(conversion, stage)
            space.check(writing, writing.jobs(), out, freed_nbytes=staging.nbytes(out))
            staging.clear(out)
        about = _run(conversion, out, worker_count, progress)
        beside.write(out, about)
        return about


def dry_run(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    progress: Progress = no_progress,
) -> list[str]:
    """Return the summary of a conversion, and write nothing.

    Raises:
        ImnetError: if the conversion would be refused before it begins.
    """
    formats.get(format)
    roots = arguments.places("paths", paths)
    if address.is_url(out):
        to_store.refuse(roots, os.fspath(out), format)
    else:
        planning.refuse_own_source(roots, arguments.path("out", out))
    source = planning.open_source(roots, options, split=split, spool=None, progress=progress)
    try:
        conversion = planning.plan_conversion(source, format_name=format, options=options)
        unpacks = compressed.are_unpacked(options, split)
        return planning.summary(planning.with_costs(conversion, unpacks=unpacks))
    finally:
        source.close()


def _run(conversion: Conversion, out: Path, workers: int, progress: Progress) -> Description:
    if opened.is_dataset(out):
        return agreement.already_done(conversion, out)
    stage = out / staging.NAME
    plan_json = agreement.agreed_plan(conversion, stage / _PLAN)
    trusted = staging.is_trusted(stage)
    if opened.is_dataset(stage):  # an earlier run was stopped while it moved things into place
        if trusted or any((out / split).exists() for split in conversion.plans):
            return staging.move_into_place(stage, out)
        (stage / description.FILE_NAME).unlink()  # not all of it may be on disk
    writing = shards.planned_writing(conversion, stage)
    if not trusted:
        _forget_what_is_lost(writing)
        staging.trust(stage)
    waiting = [job for job in writing.jobs() if not journal.is_whole(writing.journal(job))]
    space.check(writing, waiting, out)
    files.write_whole(stage / _PLAN, plan_json)
    shards.make_folders(writing)
    run = pool.processes(workers)
    shards.write_shards(writing, waiting, run, progress, remedy=refused.REMEDY)
    agreement.agreed_plan(conversion, stage / _PLAN)  # the source may have changed meanwhile
    shards.describe(writing, conversion, workers, progress)
    return staging.move_into_place(stage, out)


def _forget_what_is_lost(writing: Writing) -> None:
    """Look at all that is done: the disk failed, or the machine went down, and some may be lost."""
    for job in writing.jobs():
        head = writing.journal(job)
        if head.exists() and not shard.is_whole(writing, job):
            head.unlink()
