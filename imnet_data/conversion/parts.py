"""Converts one part of a dataset, while other machines that share OUT do the others.

Each part opens the source and makes the whole plan; what it writes is every so-manieth shard. The
last part to end joins them. A run on a Ray cluster is the only part of one.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments, formats
from imnet_data.conversion import (
    agreement,
    join,
    planning,
    shards,
    shared_plan,
    sharing,
    space,
    to_store,
    which_part,
)
from imnet_data.conversion.sharing import Place
from imnet_data.dataset import opened
from imnet_data.dataset.description import NOTHING_ASKED, Description, Options
from imnet_data.machine import pool
from imnet_data.machine.progress import no_progress
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.plan import Conversion
    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.which_part import Part
    from imnet_data.conversion.written import ShardJob
    from imnet_data.machine.progress import Progress

_log = logging.getLogger("imnet_data")


class Share(NamedTuple):
    """What one run does of a conversion, and how."""

    name: str  # of its folder, and of its note that it has ended; a later run of it takes over
    part: Part
    said: str  # is logged
    run: pool.Run
    write: Callable[[Place, Writing, ShardJob], Mapping[str, int]]
    workers: int  # processes of this machine that join the shards
    again: str  # what to do after refused images, with other options


def convert_part(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    part: str,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    workers: int | None = None,
    stage: StrPath | None = None,
    progress: Progress = no_progress,
) -> Description | None:
    """Convert one part of the sources to `out`; go on with it if an earlier run was stopped.

    Args:
        paths: as for `convert`; all parts must find the same.
        out: the folder to be made, which all parts share, or a URL.
        part: "3/16" for the third of sixteen, or "auto" where a job array numbers its tasks.
        format: as for `convert`, and so are the others.
        split: the only split to be taken.
        options: what decides the bytes.
        workers: processes.
        stage: as for `convert`; on the machine of this part.
        progress: called several times a second.

    Returns:
        What dataset.json says, if this was the last part; None if others have still to end.

    Raises:
        ImnetError: if anything is wrong, or the other parts do something else.
        ValueError: if `part` is neither, or the environment does not number this process.
    """
    formats.get(format)
    which, said = which_part.chosen(part)
    worker_count = pool.worker_count(workers)
    if address.is_url(out):
        _log.info("part %s: %s", which, said)
        roots = arguments.places("paths", paths)
        asked = to_store.asked_here(format, split, options, stage, worker_count)
        return to_store.convert_part_to_store(roots, os.fspath(out), which, asked, progress)
    to_store.refuse_stage(stage)
    share = Share(
        name=sharing.part_name(*which),
        part=which,
        said=f"part {which}: {said}",
        run=pool.processes(worker_count),
        write=write_shard,
        workers=worker_count,
        again="start every part",
    )
    roots, place = arguments.places("paths", paths), Place(arguments.path("out", out))
    return convert_share(
        roots, place, share, format_name=format, split=split, options=options, progress=progress
    )


def convert_share(
    roots: Sequence[Path | str],
    place: Place,
    share: Share,
    *,
    format_name: str,
    split: str | None,
    options: Options,
    progress: Progress,
) -> Description | None:
    """Do one share of a conversion; join all of them if it is the last; see `convert_part`."""
    planning.refuse_own_source(roots, place.out)
    with (
        sharing.attempt(place, share.name, takes_over=True) as folder,
        planning.planned(
            roots,
            folder,
            format_name=format_name,
            split=split,
            options=options,
            listings=sharing.listings(place, folder),
            progress=progress,
        ) as conversion,
    ):
        _log.info("%s", share.said)
        try:
            return _run(conversion, share, place, folder, progress)
        except FileNotFoundError:  # another run has joined all parts, or else it is an error
            if not opened.is_dataset(place.out):
                raise
            return agreement.already_done(conversion, place.out, remedy="remove it")


def _run(
    conversion: Conversion, share: Share, place: Place, folder: Path, progress: Progress
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
    waiting = [job for job in share.part.of(writing.jobs()) if job in left]
    shards.write_shards(
        writing,
        waiting,
        share.run,
        progress,
        remedy=f"remove {place.stage}, and {share.again} with `--bad skip` or `--bad keep`",
        write=partial(share.write, place),
    )
    # the source may have changed meanwhile
    shared_plan.require_same(place.plan, shared_plan.of(conversion), conversion.source.identities())
    if sharing.have_ended(place, plan, share.name):
        return join.assemble(place, plan, folder, share.workers, progress)
    return None


def write_shard(place: Place, writing: Writing, job: ShardJob) -> Mapping[str, int]:
    """Write one shard in a folder of this attempt's own, and bring it where all runs find it.

    Several attempts at a shard may be made at the same time: each publishes the same bytes.
    """
    return shards.write_alone(writing, job, partial(sharing.publish, place))
