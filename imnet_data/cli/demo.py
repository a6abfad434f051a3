"""`imnet-data demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imnet_data import demo
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import out_path, workers

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    name="demo",
    epilog=examples("imnet-data demo", "imnet-data demo /fast/imnet-demo --workers 4"),
)
@click.argument("directory", metavar="[DIR]", type=out_path, default=Path("imnet-demo"))
@workers
def command(directory: Path, workers: int | None) -> None:
    """Run the whole workflow in DIR (default: imnet-demo), on synthetic tarballs.

    The demo writes tarballs that look like ILSVRC2012's, converts them to every format, verifies
    each dataset, decodes its images, and reads its records back, also with the third-party
    libraries that are installed. Then it prints where everything is. DIR must be new, empty, or the
    folder of an earlier demo, which is replaced.
    """
    with Progress() as progress:
        rows = demo.demo(directory, workers=workers, progress=progress)
    click.echo(_table(rows))
    click.echo("\nread back by the third-party libraries that are installed:")
    for row in rows:
        for read in row.readers:
            click.echo(f"{row.about.format:10}  {read}")
    click.echo(
        f"\ntarballs: {directory / demo.TARBALLS}\nlook at:  imnet-data inspect {rows[0].path}"
    )


def _table(rows: Sequence[demo.Row]) -> str:
    lines = [
        ("format", "records", "MB", "convert", "verify", "digest of train", "where"),
        *(
            (
                row.about.format,
                f"{row.records_read:,}",
                f"{row.nbytes / 1e6:.1f}",
                f"{row.convert_seconds:.1f} s",
                f"{row.verify_seconds:.1f} s",
                row.about.splits["train"].digest[:16],
                str(row.path),
            )
            for row in rows
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
