"""`imnet-data convert`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from imnet_data.cli.progress import Progress
from imnet_data.cli.values import classes, nbytes, out_path, source_path, workers
from imnet_data.conversion import convert as conversion
from imnet_data.dataset.description import Options
from imnet_data.formats import FORMATS, get
from imnet_data.inspection.text import fix_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imnet_data.dataset.description import Description
    from imnet_data.formats import Format


def _formats(which: Callable[[Format], bool]) -> str:
    return ", ".join(name for name in FORMATS if name != "caffe" and which(get(name)))


@click.command(name="convert")
@click.argument("source", nargs=-1, required=True, type=source_path)
@click.argument("out", type=out_path)
@click.option(
    "--format",
    "format_name",
    type=click.Choice([name for name in FORMATS if name != "caffe"]),
    default="webdataset",
    show_default=True,
)
@click.option("--split", help="Take this split only.  [default: all that are found]")
@click.option(
    "--order",
    type=click.Choice(["shuffled", "sorted"]),
    help="Order of the records.  [default: shuffled for train, sorted for the others]",
)
@click.option("--seed", type=int, help="Of the shuffle.  [default: 0]")
@click.option(
    "--shard-size",
    "shard_nbytes",
    type=nbytes,
    metavar="SIZE",
    help="Published bytes in a shard.  [default: 256MiB; "
    f"{_formats(lambda format: format.ONE_SHARD)}: all in one]",
)
@click.option(
    "--bad",
    type=click.Choice(["fix", "error", "skip", "keep"]),
    help="What is done about images that are no sound RGB or grey JPEG.  [default: fix]",
)
@click.option("--boxes", is_flag=True, default=None, help="Take bounding boxes along.")
@click.option(
    "--classes", type=classes, metavar="LIST", help="wnids, a file with one a line, or `found`."
)
@click.option("--limit", type=click.IntRange(1), help="Records a split, drawn by the seed.")
@click.option("--max-side", type=click.IntRange(1), help="Shrink to this longer side, in pixels.")
@click.option("--short-side", type=click.IntRange(1), help="Shrink to this shorter side.")
@click.option(
    "--quality", type=click.IntRange(1, 100), help="Of images that are shrunk.  [default: 90]"
)
@click.option(
    "--jpeg",
    type=click.Choice(["seekable", "original"]),
    help="Store JPEGs with restart markers, losslessly and reversibly, or as published.  "
    f"[default: seekable; {_formats(lambda format: not format.SEEKABLE)}: original]",
)
@click.option(
    "--raw",
    type=click.FloatRange(0, 1),
    help=f"Share stored as pixels ({_formats(lambda format: format.PIXELS)} only).",
)
@click.option(
    "--lmdb-layout",
    type=click.Choice(["own", "caffe"]),
    default="own",
    show_default=True,
    help="What an LMDB value holds; caffe (Datum) is what DALI reads.",
)
@workers
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print what would be written and what left out, and write nothing.",
)
@click.option(
    "--force", is_flag=True, help="Remove the dataset or unfinished work in OUT, and no other file."
)
def command(
    source: tuple[Path, ...],
    out: Path,
    format_name: str,
    split: str | None,
    lmdb_layout: str,
    workers: int | None,
    dry_run: bool,
    force: bool,
    **asked: Any,
) -> None:
    """Convert SOURCE... to a dataset in the folder OUT.

    SOURCE is any of the official tarballs, a folder that holds them, an extracted tree, Kaggle's or
    Hugging Face's copy, or a dataset made before. A stopped conversion goes on when the same
    command is run again.
    """
    if lmdb_layout == "caffe":
        if format_name != "lmdb":
            raise click.UsageError("--lmdb-layout goes with --format lmdb")
        format_name = "caffe"
    try:
        options = Options(**asked)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with Progress() as progress:
        if dry_run:
            lines = conversion.dry_run(
                source, out, format=format_name, split=split, options=options, progress=progress
            )
            click.echo("\n".join(lines))
            return
        with progress.logged():
            about = conversion.convert(
                source,
                out,
                format=format_name,
                split=split,
                options=options,
                workers=workers,
                force=force,
                progress=progress,
            )
    click.echo(result(out, about))


def result(out: Path, about: Description) -> str:
    """Say what was made, for a person."""
    lines = [f"{out}: {about.format}"]
    for name, split in about.splits.items():
        shards = f"{len(split.shards)} shard{'s' * (len(split.shards) != 1)}"
        lines.append(
            f"  {name:5}  {split.record_count:,} records in {shards}, {split.order}, "
            f"digest {split.digest[:16]}"
        )
        lines += [f"         {count:,} {fix_text(fix)}" for fix, count in split.fixes.items()]
        lines += [f"         {count:,} {why}" for why, count in split.skipped.items()]
        lines += [
            f"         {count:,} stored as they are, not seekable: {why}"
            for why, count in split.not_seekable.items()
        ]
    return "\n".join(lines)
