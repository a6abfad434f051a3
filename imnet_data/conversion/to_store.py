"""Converts to an object store: shards are written on a local stage, uploaded, and removed there.

At most as many shards as workers are on the stage. What is done is known by what is in the store
alone, so that a stopped run is resumed on any machine, and several machines can share the work.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from imnet_data import arguments, formats
from imnet_data.conversion import (
    agreement,
    bucket,
    planning,
    run_folder,
    shards,
    shared_plan,
    space,
)
from imnet_data.conversion.bucket import Bucket
from imnet_data.conversion.which_part import Part
from imnet_data.conversion.written import jobs
from imnet_data.dataset import description, index_file
from imnet_data.errors import ConvertError, StorageError
from imnet_data.machine import pool
from imnet_data.storage import address
from imnet_data.storage.apart import StoreApart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.plan import Conversion
    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.shared_plan import SharedPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.dataset.description import Description, Options
    from imnet_data.machine.pool import Run
    from imnet_data.machine.progress import Progress

_JOURNALS = "journals"  # of a run's folder, as those of a stage


class Asked(NamedTuple):
    """What a run is asked to do, and with what."""

    format_name: str
    split: str | None
    options: Options
    stage: Path | None  # None: the system's temporary folder
    workers: int
    run: Run
    write: Callable[[Bucket, Writing, ShardJob], Any]  # what `run` returns as `write_shard` does


def asked_here(
    format_name: str,
    split: str | None,
    options: Options,
    stage: StrPath | None,
    workers: int,
) -> Asked:
    """Return what a run with processes of this machine is asked to do."""
    local = None if stage is None else arguments.path("stage", stage)
    run = pool.processes(workers)
    return Asked(format_name, split, options, local, workers, run, write_shard)


def opened(url: str) -> Bucket:
    """Return the place at a URL.

    Raises:
        ConvertError: if a dataset cannot be written there.
    """
    if url.startswith("http"):
        raise ConvertError(
            f"{address.shown(url)}: a web server takes no dataset; pass a URL of s3://, gs:// or "
            "az://, or a folder"
        )
    return Bucket(StoreApart(url))


def convert_to_store(
    paths: Sequence[Path | str], url: str, asked: Asked, progress: Progress
) -> Description:
    """Convert sources to a dataset at `url`; see `convert`."""
    about = convert_part_to_store(paths, url, Part(1, 1), asked, progress)
    return about or join(url, asked.workers, progress)


def convert_part_to_store(
    paths: Sequence[Path | str], url: str, part: Part, asked: Asked, progress: Progress
) -> Description | None:
    """Convert one part of the sources to a dataset at `url`; see `convert_part`.

    Returns:
        What dataset.json says; None if other parts have still to end.
    """
    place = refuse(paths, url, asked.format_name)
    bucket.require_reachable(place)
    with (
        run_folder.made(asked.stage) as folder,
        planning.planned(
            paths,
            folder,
            format_name=asked.format_name,
            split=asked.split,
            options=asked.options,
            progress=progress,
        ) as conversion,
    ):
        try:
            return _run(conversion, place, part, asked, folder, progress)
        except (bucket.Overtaken, StorageError):  # another run has finished it, or it is an error
            if not bucket.is_dataset(place):
                raise
            return _already_done(conversion, place, folder)


def join(url: str, workers: int, progress: Progress) -> Description:
    """Make a dataset of the shards at `url`; see `join.join`."""
    place = opened(url)
    begun = bucket.read_plan(place)
    with run_folder.made(None) as folder:
        if bucket.is_dataset(place):
            about = _description(place, folder / "there")
            bucket.tidy(place, about)
            return about
        if begun is None:
            raise ConvertError(
                f"{place.out}: there are no parts to join; `imnet-data convert SOURCE... OUT "
                "--part 1/N` makes the first"
            )
        place, plan = begun
        shared_plan.require_software(place.out, plan)
        (folder / _JOURNALS).mkdir()
        left = bucket.missing(place, plan, folder / _JOURNALS)
        if left:
            bucket.require_begun(place)
            raise _incomplete(place, plan, left)
        return _assemble(place, plan, folder, workers, progress)


def refuse_stage(stage: object) -> None:
    """Refuse a stage for a folder.

    Raises:
        ValueError: if there is one.
    """
    if stage is not None:
        raise ValueError(f"stage is {stage!r}, and out is no URL; leave it out")


def refuse(paths: Sequence[Path | str], url: str, format_name: str) -> Bucket:
    """Return the place at a URL, unless these sources cannot be converted to this format there.

    Raises:
        ConvertError: naming the place.
    """
    place = opened(url)
    planning.refuse_own_source(paths, url)
    if formats.get(format_name).record_file is not None:
        raise ConvertError(
            f"{place.out}: {format_name} has a file for each image, and would have an object "
            "for each here; choose another format, or another OUT"
        )
    return place


def _run(
    conversion: Conversion,
    place: Bucket,
    part: Part,
    asked: Asked,
    folder: Path,
    progress: Progress,
) -> Description | None:
    if bucket.is_dataset(place):
        return _already_done(conversion, place, folder)
    plan, identities = shared_plan.of(conversion), conversion.source.identities()
    place = bucket.agree(place, plan, identities)
    writing = shards.planned_writing(conversion, folder)
    writing.journals.mkdir()
    left = set(bucket.missing(place, plan, writing.journals))
    waiting = [job for job in part.of(writing.jobs()) if job in left]
    space.check(writing, _largest(writing, waiting, asked.workers), folder)
    shards.write_shards(
        writing,
        waiting,
        asked.run,
        progress,
        remedy=f"remove {place.out}, and convert with `--bad skip` or `--bad keep`",
        write=partial(asked.write, place),
    )
    # the source may have changed meanwhile
    now, identities = shared_plan.of(conversion), conversion.source.identities()
    shared_plan.require_equal(plan, now, identities, out=place.out, discard=place.out)
    if bucket.missing(place, plan, writing.journals):
        bucket.require_begun(place)  # else another run has joined all parts
        return None
    return _assemble(place, plan, folder, asked.workers, progress)


def _largest(writing: Writing, waiting: Sequence[ShardJob], count: int) -> list[ShardJob]:
    """Return the `count` shards that take most room."""
    return sorted(waiting, key=lambda job: space.size(writing.plans, [job])[1])[-count:]


def write_shard(place: Bucket, writing: Writing, job: ShardJob) -> Mapping[str, int]:
    """Write one shard in a folder of its own, and bring it to the store."""
    return shards.write_alone(writing, job, partial(bucket.publish, place))


def _assemble(
    place: Bucket, plan: SharedPlan, folder: Path, workers: int, progress: Progress
) -> Description:
    """Write what describes the dataset, and upload it, dataset.json last."""
    made = folder / "dataset"
    shards.describe_plan(plan, folder / _JOURNALS, made, workers, progress)
    bucket.finish(place, made)
    about = description.read(made)
    bucket.tidy(place, about, jobs(plan.splits))
    return about


def _incomplete(place: Bucket, plan: SharedPlan, left: Sequence[ShardJob]) -> ConvertError:
    return ConvertError(
        f"{place.out}: {len(left):,} of {len(jobs(plan.splits)):,} shards are not there yet (the "
        f"first is number {left[0].number} of {left[0].split}); run what is missing, then join "
        "again"
    )


def _already_done(conversion: Conversion, place: Bucket, folder: Path) -> Description:
    """Return what the dataset there says of itself, checked to be what the command makes."""
    there = folder / "there"
    about = _description(place, there)
    # by its time there it is known what was written to since; a store tells whole seconds
    made_ns = place.store.written_ns(description.FILE_NAME) + 999_999_999
    os.utime(there / description.FILE_NAME, ns=(made_ns, made_ns))
    for split in about.splits:
        bucket.fetch(place, f"{split}/{index_file.FILE_NAME}", there)
    agreement.already_done(conversion, there, remedy=f"remove {place.out}", name=place.out)
    bucket.tidy(place, about)
    return about


def _description(place: Bucket, there: Path) -> Description:
    bucket.fetch(place, description.FILE_NAME, there)
    return description.read(there)
