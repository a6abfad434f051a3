"""Converts one part of a dataset, while other machines that share OUT do the others.

Each part opens the source and makes the whole plan; what it writes is every so-manieth shard. The
last part to end joins them.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from imnet_data import arguments, formats
from imnet_data.conversion import (
    agreement,
    compressed,
    convert,
    join,
    planning,
    shard,
    shards,
    shared_plan,
    sharing,
    space,
    which_part,
)
from imnet_data.conversion.sharing import Place
from imnet_data.dataset import opened
from imnet_data.dataset.description import NOTHING_ASKED, Description, Options
from imnet_data.machine import pool
from imnet_data.machine.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.plan import Conversion
    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.which_part import Part
    from imnet_data.conversion.written import ShardJob
    from imnet_data.machine.progress import Progress

_log = logging.getLogger("imnet_data")


def convert_part(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    part: str,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Description | None:
    """Convert one part of the sources to `out`; go on with it if an earlier run was stopped.

    Args:
        paths: as for `convert`; all parts must find the same.
        out: the folder to be made, which all parts share.
        part: "3/16" for the third of sixteen, or "auto" where a job array numbers its tasks.
        format: as for `convert`, and so are the others.
        split: the only split to be taken.
        options: what decides the bytes.
        workers: processes.
        progress: called several times a second.

    Returns:
        What dataset.json says, if this was the last part; None if others have still to end.

    Raises:
        ImnetError: if anything is wrong, or the other parts do something else.
        ValueError: if `part` is neither, or the environment does not number this process.
    """
    formats.get(format)
    which, said = which_part.chosen(part)
    roots, place = arguments.places("paths", paths), Place(arguments.path("out", out))
    worker_count = pool.worker_count(workers)
    convert.refuse_own_source(roots, place.out)
    with sharing.attempt(place, sharing.part_name(*which), takes_over=True) as folder:
        spool = folder / "spool" if compressed.are_unpacked(options, split) else None
        source = planning.open_source(roots, options, split=split, spool=spool, progress=progress)
        try:
            conversion = planning.plan_conversion(source, format_name=format, options=options)
            conversion = planning.with_costs(conversion, unpacks=False)
            planning.tell(conversion)
            _log.info("part %s: %s", which, said)
            return _run(conversion, which, place, folder, worker_count, progress)
        except FileNotFoundError:  # another run has joined all parts, or else it is an error
            if not opened.is_dataset(place.out):
                raise
            return agreement.already_done(conversion, place.out, remedy="remove it")
        finally:
            source.close()


def _run(
    conversion: Conversion,
    which: Part,
    place: Place,
    folder: Path,
    workers: int,
    progress: Progress,
) -> Description | None:
    plan, identities = shared_plan.of(conversion), conversion.source.identities()
    if not opened.is_dataset(place.out):
        sharing.agree(place, plan, folder, identities)
    if opened.is_dataset(place.out):
        return agreement.already_done(conversion, place.out, remedy="remove it")
    writing = shards.planned_writing(conversion, folder)
    writing.journals.mkdir()
    missing = sharing.missing(place, plan)
    space.check(writing, missing, place.out)
    left = set(missing)
    waiting = [job for job in which.of(writing.jobs()) if job in left]
    shards.write_shards(
        writing,
        waiting,
        workers,
        progress,
        remedy=f"remove {place.stage}, and start every part with `--bad skip` or `--bad keep`",
        write=partial(_write_shard, place),
    )
    # the source may have changed meanwhile
    shared_plan.require_same(place.plan, shared_plan.of(conversion), conversion.source.identities())
    if sharing.have_ended(place, plan, sharing.part_name(*which)):
        return join.assemble(place, plan, folder, workers, progress)
    return None


def _write_shard(place: Place, writing: Writing, job: ShardJob) -> Mapping[str, int]:
    """Write one shard in a folder of its own, and bring it where all parts find it."""
    stage = writing.stage / f"{job.split}-{job.number:06d}"
    for made in (stage, stage / job.split):  # not the run's own folder, if another run took over
        made.mkdir()
    alone = writing._replace(stage=stage)
    refusals = shard.write_shard(alone, job)
    if not refusals:
        sharing.publish(place, alone, job)
    return refusals
