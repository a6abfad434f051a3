"""Converts any source, or a dataset, to a dataset: plan, shards, manifest.

All that is not finished lies in `OUT/.part`; it is renamed into place at the end, dataset.json
last, so that a folder without dataset.json is never taken for a dataset.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import os
from functools import partial
from typing import TYPE_CHECKING

from imnet_data import arguments, formats
from imnet_data.conversion import (
    agreement,
    classes,
    compressed,
    finish,
    forms,
    frames,
    journal,
    pixels,
    plan,
    refused,
    selection,
    shard,
    space,
    staging,
)
from imnet_data.conversion.plan import Conversion
from imnet_data.conversion.shard import Writing
from imnet_data.dataset import beside, description, opened
from imnet_data.dataset.description import DEFAULTS, NOTHING_ASKED, Description, Options
from imnet_data.errors import ConvertError
from imnet_data.imagenet import variants
from imnet_data.imagenet.detection import TASKS, VID
from imnet_data.machine import files, pool
from imnet_data.machine.pool import Counter
from imnet_data.machine.progress import Step, no_progress
from imnet_data.sources import report
from imnet_data.sources.opening import open_any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.plan import SplitPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source

_PLAN = "plan.json"
# the summary is logged; its warnings go to stderr, unless they are sent elsewhere
_log = logging.getLogger("imnet_data")


def convert(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
    workers: int | None = None,
    force: bool = False,
    progress: Progress = no_progress,
) -> Description:
    """Convert sources to a dataset at `out`; go on with it if an earlier run was stopped.

    Args:
        paths: tarballs, folders, or one dataset; see `sources.open_sources`.
        out: the folder to be made.
        format: one of `formats.FORMATS`.
        split: the only split to be taken; by default all that are found.
        options: what decides the bytes.
        workers: processes; by default one for each core.
        force: whether a dataset or an unfinished conversion at `out` is removed, once the new one
            is planned; if other files lie in its folders, it is refused.
        progress: called several times a second.

    Returns:
        What dataset.json says.

    Raises:
        ImnetError: if anything is wrong; nothing is left under a final name then.
    """
    formats.get(format)
    roots, out = arguments.paths("paths", paths), arguments.path("out", out)
    worker_count = pool.worker_count(workers)
    refuse_own_source(roots, out)
    with staging.held(out) as stage:
        spool = stage / "spool" if compressed.are_unpacked(options, split) else None
        source = open_source(roots, options, split=split, spool=spool, progress=progress)
        try:
            conversion = plan_conversion(source, format_name=format, options=options)
            conversion = with_costs(conversion, unpacks=False)
            tell(conversion)
            if force:
                writing = planned_writing(conversion, stage)
                space.check(writing, writing.jobs(), out, freed_nbytes=staging.nbytes(out))
                staging.clear(out)
            about = _run(conversion, out, worker_count, progress)
            beside.write(out, about)
            return about
        finally:
            source.close()


def open_source(
    paths: Sequence[Path],
    options: Options,
    *,
    split: str | None,
    spool: Path | None,
    progress: Progress,
) -> Source:
    """Open what is converted, as its options want it."""
    return open_any(
        paths,
        split=split,
        boxes=bool(options.boxes),
        labels=options.labels,
        spool=spool,
        progress=progress,
    )


def tell(conversion: Conversion) -> None:
    """Log the summary, before anything is written."""
    warned = warnings(conversion)
    for line in summary(conversion):
        _log.log(logging.WARNING if line in warned else logging.INFO, "%s", line)


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
    roots = arguments.paths("paths", paths)
    refuse_own_source(roots, arguments.path("out", out))
    source = open_source(roots, options, split=split, spool=None, progress=progress)
    try:
        conversion = plan_conversion(source, format_name=format, options=options)
        unpacks = compressed.are_unpacked(options, split)
        return summary(with_costs(conversion, unpacks=unpacks))
    finally:
        source.close()


def with_costs(conversion: Conversion, *, unpacks: bool) -> Conversion:
    """Add notes of what compressed archives cost."""
    costs = tuple(compressed.notes(conversion, unpacks=unpacks))
    return conversion._replace(notes=conversion.notes + costs)


def plan_conversion(source: Source, *, format_name: str, options: Options) -> Conversion:
    """Resolve the options and plan every split of the source."""
    converted = [split for split in source.splits.values() if isinstance(split, opened.Dataset)]
    made_by = converted[0].about if converted else None
    module = formats.get(format_name)
    forms.check(options, format_name)
    inherited = forms.inherited(made_by.options if made_by else _defaults(source), format_name)
    try:
        resolved = options.over(inherited)
    except ValueError as error:  # an earlier version did not check what it was given
        raise ConvertError(
            f"the dataset was made with options that these do not go with: {error}"
        ) from error
    asked = selection.still_to_do(options, made_by.options if made_by else None)
    wanted = classes.asked(asked, source)
    if wanted is not None:  # labels are by sorted wnids, whatever the order given
        resolved = dataclasses.replace(resolved, classes=wanted)
    resolved = resolved.without("hierarchy")
    if source.name in TASKS:
        _refuse_classes(resolved, source.name)
    frames.check(resolved.frames, source.name)
    one_shard = module.ONE_SHARD and resolved.shard_nbytes is None
    is_complete = resolved.limit is None and made_by is None and source.name == variants.ILSVRC2012
    labelled, notes = _class_list(source, asked, wanted, is_complete=is_complete)
    if not module.LABELS and any("have no image" in note for note in notes):
        notes.append(_IMAGE_FOLDER)
    chosen = selection.select(source.splits, labelled, val_first=asked.val_first)
    plans = {
        name: plan.plan_split(
            name, *each, options=resolved, one_shard=one_shard, snippets=source.name == VID
        )
        for name, each in chosen.items()
    }
    pixels.check(plans, resolved, format_name)
    notes += pixels.notes(options)
    if not resolved.shrinks and options.quality not in (None, DEFAULTS.quality):
        notes.append(_NO_QUALITY)
    if one_shard:
        notes += _one_file(format_name, plans)
    return Conversion(source, format_name, resolved, labelled, plans, tuple(notes))


def _class_list(
    source: Source, asked: Options, wanted: Sequence[str] | None, *, is_complete: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Return the class list, and notes on records and classes that do not go together."""
    if wanted is None and asked.min_images is not None and source.classes is None:
        wanted = ("found",)
    listed = classes.class_list(wanted, source.classes, source.splits)
    notes: list[str] = []
    if asked.min_images is not None:
        listed, note = classes.frequent(listed, source.splits, least=asked.min_images)
        notes.append(note)
    notes += [
        note
        for name, records in source.splits.items()
        for note in classes.check_classes(
            name,
            records.listing,
            listed,
            subset=wanted is not None or asked.min_images is not None,
            complete=is_complete,
        )
    ]
    return listed, notes


def _defaults(source: Source) -> Options:
    """Return the options that hold where nothing is asked; DET and VID are about their boxes."""
    return dataclasses.replace(DEFAULTS, boxes=True) if source.name in TASKS else DEFAULTS


def _refuse_classes(options: Options, name: str) -> None:
    if options.classes is not None or options.boxes is False:
        raise ConvertError(
            f"{name}: its images have boxes of several classes, so all images and boxes are taken; "
            "leave out --classes, and boxes=False"
        )


def _one_file(format_name: str, plans: Mapping[str, SplitPlan]) -> Iterator[str]:
    """Yield what it costs that a large split is in one file."""
    large = [name for name, planned in plans.items() if planned.nbytes > plan.DEFAULT_SHARD_NBYTES]
    if large:
        yield (
            f"{' and '.join(large)}: {format_name} has one file per split, so one process writes "
            "it, and a stopped run starts it again; --shard-size SIZE makes several files"
        )


_NO_QUALITY = (
    "--quality is for images that are shrunk, and without --max-side, --short-side or --resize "
    "none is; it is recorded, and applies where this dataset is converted with one of them"
)
_IMAGE_FOLDER = (
    "ImageFolder numbers the class folders that it finds, so its labels of such a split are not "
    "those of labels.tsv, nor of the other splits; take the labels from labels.tsv"
)


def summary(conversion: Conversion) -> list[str]:
    """Return what was found, what goes into which split, and what is left out and why."""
    return [*report.found(conversion.source), *_written(conversion), *warnings(conversion)]


def warnings(conversion: Conversion) -> list[str]:
    """Return the lines of `summary` on what is left out, or other than a person may expect."""
    return [*report.left_out(conversion.source), *(f"note: {note}" for note in conversion.notes)]


def _written(conversion: Conversion) -> list[str]:
    lines = []
    for split, planned in conversion.plans.items():
        count, of = len(planned.rows), len(planned.records)
        shards = f"{planned.shard_count:,} shard{'s' * (planned.shard_count != 1)}"
        records = f"{count:,} of {of:,} records" if count < of else f"{count:,} records"
        lines.append(f"to be written: {split}: {records}, {planned.order}, {shards}")
    return lines


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
    writing = planned_writing(conversion, stage)
    if not trusted:
        _forget_what_is_lost(writing)
        staging.trust(stage)
    waiting = [job for job in writing.jobs() if not journal.is_whole(writing.journal(job))]
    space.check(writing, waiting, out)
    files.write_whole(stage / _PLAN, plan_json)
    make_folders(writing)
    write_shards(writing, waiting, workers, progress, remedy=refused.REMEDY)
    agreement.agreed_plan(conversion, stage / _PLAN)  # the source may have changed meanwhile
    describe(writing, conversion, workers, progress)
    return staging.move_into_place(stage, out)


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


def _forget_what_is_lost(writing: Writing) -> None:
    """Look at all that is done: the disk failed, or the machine went down, and some may be lost."""
    for job in writing.jobs():
        head = writing.journal(job)
        if head.exists() and not shard.is_whole(writing, job):
            head.unlink()


def make_folders(writing: Writing) -> None:
    """Make the folders that shards are written to on the stage."""
    for split in writing.plans:
        (writing.stage / split).mkdir(exist_ok=True)
    writing.journals.mkdir(exist_ok=True)


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


def write_shards(
    writing: Writing,
    waiting: Sequence[ShardJob],
    workers: int,
    progress: Progress,
    *,
    remedy: str,
    write: Callable[[Writing, ShardJob], Mapping[str, int]] = shard.write_shard,
) -> None:
    """Write the shards of `waiting`, with `workers` processes; `write` does one.

    Raises:
        ImageError: if images are refused; the other shards are written first.
    """
    total, total_nbytes = space.size(writing.plans, waiting)

    def report() -> None:
        done, nbytes = writing.counter.done
        progress(Step("convert", done, total, nbytes, total_nbytes))

    task = partial(write, writing)
    counts = collections.Counter[str]()
    for refusals in pool.run(task, waiting, workers=workers, counter=writing.counter, poll=report):
        counts.update(refusals)
    report()
    if counts:
        raise refused.error(writing.stage, map(writing.refused, waiting), counts, remedy)


def refuse_own_source(paths: Sequence[Path], out: Path) -> None:
    """Refuse to write into what is read.

    Raises:
        ConvertError: if `out` is inside one of `paths`, or there are none.
    """
    if not paths:
        raise ConvertError("no SOURCE; pass tarballs, a folder or a dataset")
    for path in paths:
        # a loop of links is given back as it is
        real, inside = os.path.realpath(path), os.path.realpath(out)
        if path.is_dir() and os.path.commonpath((real, inside)) == real:
            raise ConvertError(f"{out}: is inside its own source {path}; choose another OUT")
