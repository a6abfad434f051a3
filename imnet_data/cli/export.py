"""`imnet-data export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imnet_data.cli import output
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import out_path, source_path
from imnet_data.exports import dinov2

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    name="export",
    epilog=examples(
        "imnet-data export dinov2 folder extra",
        "imnet-data export dinov2 fall11 extra --overwrite",
    ),
)
@click.argument("reader", type=click.Choice(["dinov2"]))
@click.argument("images", type=source_path)
@click.argument("out", type=out_path)
@output.overwrite
def command(reader: str, images: Path, out: Path, overwrite: bool) -> None:
    """Write what another project's READER needs beside the images to the folder OUT.

    The images stay where they are. For dinov2 (DINOv2 and DINOv3), IMAGES is a dataset of format
    folder, which their ImageNet reads, or a folder of archives <wnid>.tar, as fall11_whole.tar has
    them, which their ImageNet22k reads. Pass IMAGES as their root, and OUT as their extra.
    """
    del reader  # there is one so far
    with Progress() as progress:
        exported = dinov2.export(images, out, overwrite=overwrite, progress=progress)
    for note in exported.notes:
        click.echo(f"note: {note}", err=True)
    click.echo("\n".join(map(str, exported.paths)))
