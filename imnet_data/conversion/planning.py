"""Plans a conversion: what is found in a source, what of it is taken, and what is said of it."""

from __future__ import annotations

import dataclasses
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imnet_data import formats
from imnet_data.conversion import classes, compressed, forms, frames, pixels, plan, selection
from imnet_data.conversion.plan import Conversion
from imnet_data.dataset import opened
from imnet_data.dataset.description import DEFAULTS, Options
from imnet_data.errors import ConvertError
from imnet_data.imagenet import variants
from imnet_data.imagenet.detection import TASKS, VID
from imnet_data.sources import report
from imnet_data.sources.opening import open_any
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from imnet_data.conversion.plan import SplitPlan
    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source
    from imnet_data.sources.listing import Listings

# the summary is logged; its warnings go to stderr, unless they are sent elsewhere
_log = logging.getLogger("imnet_data")


def open_source(
    paths: Sequence[Path | str],
    options: Options,
    *,
    split: str | None,
    spool: Path | None,
    listings: Listings | None = None,
    progress: Progress,
) -> Source:
    """Open what is converted, as its options want it."""
    return open_any(
        paths,
        split=split,
        boxes=bool(options.boxes),
        labels=options.labels,
        spool=spool,
        listings=listings,
        progress=progress,
    )


@contextmanager
def planned(
    paths: Sequence[Path | str],
    folder: Path,
    *,
    format_name: str,
    split: str | None,
    options: Options,
    listings: Listings | None = None,
    progress: Progress,
) -> Iterator[Conversion]:
    """Open what is converted, plan it, and log the summary; archives are unpacked to `folder`."""
    spool = folder / "spool" if compressed.are_unpacked(options, split) else None
    source = open_source(
        paths, options, split=split, spool=spool, listings=listings, progress=progress
    )
    try:
        conversion = plan_conversion(source, format_name=format_name, options=options)
        conversion = with_costs(conversion, unpacks=False)
        warned = warnings(conversion)
        for line in summary(conversion):
            _log.log(logging.WARNING if line in warned else logging.INFO, "%s", line)
        yield conversion
    finally:
        source.close()


def refuse_own_source(paths: Sequence[Path | str], out: Path | str) -> None:
    """Refuse to write into what is read.

    Raises:
        ConvertError: if `out` is inside one of `paths`, or there are none.
    """
    if not paths:
        raise ConvertError("no SOURCE; pass tarballs, a folder or a dataset")
    for path in paths:
        if _is_inside(out, path):
            raise ConvertError(
                f"{address.shown(out)}: is inside its own source {address.shown(path)}; choose "
                "another OUT"
            )


def _is_inside(out: Path | str, path: Path | str) -> bool:
    if isinstance(out, str) or isinstance(path, str):
        return f"{out}/".startswith(f"{str(path).rstrip('/')}/")
    # a loop of links is given back as it is
    real, inside = os.path.realpath(path), os.path.realpath(out)
    return path.is_dir() and os.path.commonpath((real, inside)) == real


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
        wanted = classes.FOUND
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
