"""`imnet-data demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imnet_data import demo, demo_store
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import out_path, workers

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command(
    name="demo",
    epilog=examples(
        "imnet-data demo",
        "imnet-data demo /fast/imnet-demo --workers 4",
        "imnet-data demo /fast/store-demo --store",
    ),
)
@click.argument("directory", metavar="[DIR]", type=out_path, default=Path("imnet-demo"))
@click.option(
    "--store",
    is_flag=True,
    help="Convert into an object store, a local S3 server; needs the extra `test`.",
)
@workers
def command(directory: Path, store: bool, workers: int | None) -> None:
    """Run the whole workflow in DIR (default: imnet-demo), on synthetic tarballs.

    The demo writes tarballs that look like ILSVRC2012's, converts them to every format, verifies
    each dataset, decodes its images, and reads its records back, also with the third-party
    libraries that are installed. Then it prints where everything is. DIR must be new, empty, or the
    folder of an earlier demo, which is replaced.

    With --store, an S3 server on this machine serves a folder within DIR. The demo converts into
    it, verifies there, and loads two epochs of train through a cache.
    """
    if store:
        with Progress() as progress:
            made = demo_store.demo_store(directory, workers=workers, progress=progress)
        click.echo(_lines(_STORE_HEAD, map(_store_cells, made)))
        click.echo(f"\nthe objects: {directory / demo_store.SERVED / demo_store.BUCKET}")
        return
    with Progress() as progress:
        rows = demo.demo(directory, workers=workers, progress=progress)
    click.echo(_lines(_HEAD, map(_cells, rows)))
    click.echo("\nread back by the third-party libraries that are installed:")
    for row in rows:
        for read in row.readers:
            click.echo(f"{row.about.format:10}  {read}")
    click.echo(
        f"\ntarballs: {directory / demo.TARBALLS}\nlook at:  imnet-data inspect {rows[0].path}"
    )


_HEAD = ("format", "records", "MB", "convert", "verify", "digest of train", "where")
_STORE_HEAD = (
    "format",
    "records",
    "convert",
    "verify",
    "images/s, cold",
    "cached",
    "sha256 of pixels",
    "where",
)


def _cells(row: demo.Row) -> tuple[str, ...]:
    return (
        row.about.format,
        f"{row.records_read:,}",
        f"{row.nbytes / 1e6:.1f}",
        f"{row.convert_seconds:.1f} s",
        f"{row.verify_seconds:.1f} s",
        row.about.splits["train"].digest[:16],
        str(row.path),
    )


def _store_cells(row: demo_store.Row) -> tuple[str, ...]:
    return (
        row.format,
        f"{row.record_count:,}",
        f"{row.convert_seconds:.1f} s",
        f"{row.verify_seconds:.1f} s",
        f"{row.first_epoch:,.0f}",
        f"{row.second_epoch:,.0f}",
        row.pixels_sha256[:16],
        row.url,
    )


def _lines(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
