"""`imnet-data convert`."""

from __future__ import annotations

import shlex
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import (
    classes,
    label_space,
    nbytes,
    out_path,
    out_place,
    place,
    ray,
    workers,
)
from imnet_data.conversion import convert as conversion
from imnet_data.conversion import which_part
from imnet_data.conversion.on_ray import convert_on_ray
from imnet_data.conversion.parts import convert_part
from imnet_data.dataset.description import Options
from imnet_data.formats import FORMATS, get
from imnet_data.imagenet import class_lists
from imnet_data.inspection.summary import keys_by_verdict
from imnet_data.inspection.text import fix_text, verdict_text
from imnet_data.jpeg import Verdict
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imnet_data.dataset.description import Description
    from imnet_data.formats import Format

_NOT_THE_LAST = (
    "{out}: this part is done, and others are not yet; the last one joins them, or "
    "`imnet-data join OUT` does"
)
_NAMED = 5  # records of a verdict


def _formats(which: Callable[[Format], bool]) -> str:
    return ", ".join(name for name in FORMATS if name != "caffe" and which(get(name)))


@click.command(
    name="convert",
    epilog=examples(
        "imnet-data convert tarballs imagenet --dry-run",
        "imnet-data convert tarballs imagenet --format lmdb --boxes",
        "imnet-data convert imagenet small --limit 1000 --max-side 256",
    ),
)
@click.argument("source", nargs=-1, required=True, type=place)
@click.argument("out", type=out_place)
@click.option(
    "--format",
    "format_name",
    type=click.Choice([name for name in FORMATS if name != "caffe"]),
    default="webdataset",
    show_default=True,
    help="Storage format of the dataset.",
)
@click.option(
    "--split",
    metavar="NAME",
    help="Convert only this split.  [default: every split that is found]",
)
@click.option(
    "--order",
    type=click.Choice(["shuffled", "sorted"]),
    help="Order of the stored records.  [default: shuffled for train, sorted for other splits]",
)
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Seed of the shuffle, of --limit and of --raw.  [default: 0]",
)
@click.option(
    "--shard-size",
    "shard_nbytes",
    type=nbytes,
    metavar="SIZE",
    help="Bytes of published images per shard.  [default: 256MiB; "
    f"{_formats(lambda format: format.ONE_SHARD)}: one file per split]",
)
@click.option(
    "--bad",
    type=click.Choice(["fix", "error", "skip", "keep"]),
    help="What to do with images that are not sound RGB or grey JPEGs: fix them, stop with an "
    "error, skip them, or keep them as they are.  [default: fix]",
)
@click.option("--boxes", is_flag=True, default=None, help="Store the bounding boxes, too.")
@click.option(
    "--classes",
    type=classes,
    metavar="LIST",
    help="Convert only these classes: wnids joined with commas, a file with one wnid per line, a "
    f"list's name ({', '.join(class_lists.NAMES)}), or `found` for those that have images.",
)
@click.option(
    "--hierarchy",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Take with each of --classes all classes below it, by this file: a devkit, its meta.mat, "
    "or lines PARENT CHILD.  [default: the devkit, if it is a SOURCE]",
)
@click.option(
    "--min-images",
    type=click.IntRange(1),
    metavar="N",
    help="Leave out the classes that have fewer images of train.",
)
@click.option(
    "--val-first",
    type=click.IntRange(1),
    metavar="N",
    help="Make a split val of the first N images, by name, of each class of train.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Convert at most N records per split, drawn by the seed.",
)
@click.option(
    "--max-side",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Shrink images so that the longer side is at most this.",
)
@click.option(
    "--short-side",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Shrink images so that the shorter side is at most this.",
)
@click.option(
    "--resize",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Squeeze images to a square of this side, except those that are smaller on both sides.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    metavar="N",
    help="JPEG quality of the images that are shrunk.  [default: 90]",
)
@click.option(
    "--jpeg",
    type=click.Choice(["seekable", "packed", "original"]),
    help="Store JPEGs with restart markers, packed for this loader alone (both are lossless and "
    f"reversible; packed: {_formats(lambda format: format.PACKED)} only), or as published.  "
    f"[default: seekable; {_formats(lambda format: not format.SEEKABLE)}: original]",
)
@click.option(
    "--raw",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help=f"Share of the images to store as pixels ({_formats(lambda format: format.PIXELS)} only).",
)
@click.option(
    "--labels",
    type=label_space,
    metavar="NAME|FILE",
    help="What the integer labels of another tool's files mean: sorted, ilsvrc, tf, 22k, 21k-goog, "
    "12k, 21k-p, 21k-p-w21, or a file of wnids, one per line.",
)
@click.option(
    "--frames",
    nargs=2,
    type=str,
    metavar="every N | list FILE",
    help="Frames of VID to take: every Nth of each snippet, or those in a list, such as FGFA's "
    "VID_train_15frames.txt; of DET, the images in a list.",
)
@click.option(
    "--lmdb-layout",
    type=click.Choice(["own", "caffe"]),
    default="own",
    show_default=True,
    help="Layout of an LMDB value; DALI reads caffe (Datum).",
)
@workers
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be written and left out, and write nothing.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace the dataset or the unfinished work in OUT; no other file is removed.",
)
@click.option(
    "--stage",
    type=out_path,
    metavar="DIR",
    help="Where shards are written before they are uploaded, if OUT is a URL: at most one for each "
    "worker at a time.  [default: the system's temporary folder]",
)
@click.option(
    "--part",
    metavar="N/COUNT|auto",
    help="Write only part N of COUNT, while other machines that share OUT write the others; `auto` "
    "reads both from a job array's environment. The last part to end joins them.",
)
@ray
def command(
    source: tuple[Path | str, ...],
    out: Path | str,
    format_name: str,
    split: str | None,
    lmdb_layout: str,
    workers: int | None,
    dry_run: bool,
    force: bool,
    stage: Path | None,
    part: str | None,
    ray: str | None,
    **asked: Any,
) -> None:
    """Convert SOURCE... to a dataset in the folder OUT, or at the URL OUT (s3://, gs://, az://).

    SOURCE is an official tarball, a folder of tarballs, an extracted tree, Kaggle's or Hugging
    Face's copy, DET or VID, or a dataset made before. Tarballs and datasets may be in an object
    store (s3://, gs://, az://, https://). To resume a stopped conversion, run the same command
    again.
    """
    if lmdb_layout == "caffe":
        if format_name != "lmdb":
            raise click.UsageError("--lmdb-layout goes with --format lmdb")
        format_name = "caffe"
    if part is not None and force:
        raise click.UsageError(
            "--force does not go with --part: each part would remove the others; remove OUT instead"
        )
    if ray is not None and (force or part is not None or workers is not None):
        raise click.UsageError(
            "--ray goes with none of --force (remove OUT instead), --part and --workers (the "
            "cluster has a task for each CPU)"
        )
    if address.is_url(out) and force:
        raise click.UsageError(
            "--force does not go with an OUT that is a URL: remove the objects there with the "
            "store's own tools"
        )
    if stage is not None and not address.is_url(out):
        raise click.UsageError("--stage goes with an OUT that is a URL")
    try:
        options = Options(**asked)
        if part is not None:
            which_part.chosen(part)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with Progress() as progress, progress.logged():
        if dry_run:
            lines = conversion.dry_run(
                source, out, format=format_name, split=split, options=options, progress=progress
            )
            click.echo("\n".join(lines))
            return
        about: Description | None
        if ray is not None:
            about = convert_on_ray(
                source,
                out,
                address=ray,
                format=format_name,
                split=split,
                options=options,
                stage=stage,
                progress=progress,
            )
        elif part is not None:
            about = convert_part(
                source,
                out,
                part=part,
                format=format_name,
                split=split,
                options=options,
                workers=workers,
                stage=stage,
                progress=progress,
            )
        else:
            about = conversion.convert(
                source,
                out,
                format=format_name,
                split=split,
                options=options,
                workers=workers,
                force=force,
                stage=stage,
                progress=progress,
            )
    click.echo(result(out, about) if about else _NOT_THE_LAST.format(out=address.shown(out)))


def result(out: Path | str, about: Description) -> str:
    """Return a summary of the dataset, as text."""
    lines = [f"{address.shown(out)}: {about.format}"]
    for name, split in about.splits.items():
        shards = f"{len(split.shards)} shard{'s' * (len(split.shards) != 1)}"
        lines.append(
            f"  {name:5}  {split.record_count:,} records in {shards}, {split.order}, "
            f"digest {split.digest[:16]}"
        )
        lines += [f"         {count:,} {fix_text(fix)}" for fix, count in split.fixes.items()]
        lines += [f"         {count:,} {why}" for why, count in split.skipped.items()]
        lines += [
            f"         {count:,} {verdict_text(verdict)}{_named(out, name, verdict, count)}"
            for verdict, count in split.verdicts.items()
        ]
        lines += [
            f"         {count:,} stored as they are: {why}"
            for why, count in split.not_seekable.items()
        ]
    return "\n".join(lines)


def _named(out: Path | str, split: str, verdict: str, count: int) -> str:
    """Return the first records that some reader refuses, and the command that lists all."""
    if verdict in (Verdict.OTHER_DECODER, Verdict.NOT_A_JPEG):
        return ""
    shown = shlex.quote(address.shown(out))
    command = f"imnet-data inspect {shown} --verdict {verdict} --split {split}"
    if isinstance(out, str):
        return f" (`{command}` lists them)"
    keys = ", ".join(key for _, key in islice(keys_by_verdict(out, verdict, split), _NAMED))
    if count <= _NAMED:
        return f": {keys}"
    return f": {keys} ... (`{command}` lists all)"
