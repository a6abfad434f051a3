"""Writes the shards of a plan, with several workers, and what describes them."""

from __future__ import annotations

import collections
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data import formats
from imnet_data.conversion import finish, refused, shard, space
from imnet_data.conversion.shard import Writing
from imnet_data.conversion.written import Written
from imnet_data.machine.pool import Counter
from imnet_data.machine.progress import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imnet_data.conversion.plan import Conversion
    from imnet_data.conversion.shared_plan import SharedPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.machine.pool import Run
    from imnet_data.machine.progress import Progress


def planned_writing(conversion: Conversion, stage: Path) -> Writing:
    """Return what shards are written from."""
    module, asked = formats.get(conversion.format_name), conversion.options.jpeg
    return Writing(
        format=module,
        options=conversion.options,
        labels={wnid: label for label, wnid in enumerate(conversion.classes)},
        plans=conversion.plans,
        jpeg=asked or ("seekable" if module.SEEKABLE else "original"),
        stage=stage,
        journals=stage / "journals",
        counter=Counter(),
        name=conversion.source.name,
    )


def make_folders(writing: Writing) -> None:
    """Make the folders that shards are written to on the stage."""
    for split in writing.plans:
        (writing.stage / split).mkdir(exist_ok=True)
    writing.journals.mkdir(exist_ok=True)


def write_shards(
    writing: Writing,
    waiting: Sequence[ShardJob],
    run: Run,
    progress: Progress,
    *,
    remedy: str,
    write: Callable[[Writing, ShardJob], Mapping[str, int]] = shard.write_shard,
) -> None:
    """Write the shards of `waiting`; `run` has `write` do each.

    Raises:
        ImageError: if images are refused; the other shards are written first.
    """
    total, total_nbytes = space.size(writing.plans, waiting)

    def report() -> None:
        done, nbytes = writing.counter.done
        progress(Step("convert", done, total, nbytes, total_nbytes))

    task = partial(write, writing)
    counts = collections.Counter[str]()
    for refusals in run(task, waiting, counter=writing.counter, poll=report):
        counts.update(refusals)
    report()
    if counts:
        raise refused.error(writing.stage, map(writing.refused, waiting), counts, remedy)


def write_alone(
    writing: Writing, job: ShardJob, publish: Callable[[Writing, ShardJob], None]
) -> Mapping[str, int]:
    """Write one shard in a folder of its own, which goes once what is in it is published."""
    # makes no parents: the run's own folder is gone if another run took over
    stage = Path(tempfile.mkdtemp(prefix=f"{job.split}-{job.number:06d}.", dir=writing.stage))
    alone = writing._replace(stage=stage, journals=stage / writing.journals.name)
    try:
        make_folders(alone)
        refusals = shard.write_shard(alone, job)
        if refusals:
            alone.refused(job).rename(writing.refused(job))
        else:
            publish(alone, job)
        return refusals
    finally:
        shutil.rmtree(stage)


def describe(writing: Writing, conversion: Conversion, workers: int, progress: Progress) -> None:
    """Write all that describes the dataset onto the stage, once all its shards are there."""
    finish.finish(
        writing.written,
        format_name=conversion.format_name,
        classes=conversion.classes,
        source_files=tuple((file.name, file.nbytes) for file in conversion.source.files),
        workers=workers,
        left_out={name: reason.count for name, reason in conversion.source.left_out.items()},
        progress=progress,
    )


def describe_plan(
    plan: SharedPlan, journals: Path, made: Path, workers: int, progress: Progress
) -> None:
    """Write all that describes the dataset of a plan to the folder `made`, from its journals."""
    for split in plan.splits:
        (made / split).mkdir(parents=True)
    written = Written(
        format=formats.get(plan.format),
        options=plan.options,
        splits=plan.splits,
        stage=made,
        journals=journals,
        version=plan.dataset_version,
        name=plan.name,
    )
    finish.finish(
        written,
        format_name=plan.format,
        classes=plan.classes,
        source_files=plan.source_files,
        workers=workers,
        left_out=plan.left_out,
        progress=progress,
    )
