"""`imnet-data synth`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imnet_data.cli.progress import Progress
from imnet_data.cli.values import nbytes, out_path, source_path
from imnet_data.synth import FILE_NAMES, synth, synth_from_folder

if TYPE_CHECKING:
    from pathlib import Path


@click.command(name="synth")
@click.argument("out", type=out_path)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--classes", "class_count", type=click.IntRange(1, 1000), default=10, show_default=True
)
@click.option("--images-per-class", type=click.IntRange(1), default=50, show_default=True)
@click.option("--val-per-class", type=click.IntRange(1), default=10, show_default=True)
@click.option("--test", "test_count", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--bytes",
    "mean_nbytes",
    type=nbytes,
    metavar="SIZE",
    default="110KB",
    show_default=True,
    help="Of an image, on average; smaller ones have smaller sides.",
)
@click.option("--images", type=source_path, help="Use the images of this folder instead.")
def command(
    out: Path,
    seed: int,
    class_count: int,
    images_per_class: int,
    val_per_class: int,
    test_count: int,
    mean_nbytes: int,
    images: Path | None,
) -> None:
    """Write tarballs of the shape of ILSVRC2012 to the folder OUT, from a seed.

    They have the names, the nesting, the devkit, the boxes and the known bad images of the official
    ones, and images of the same statistics: for trying things out, for tests and benchmarks.
    Files of these names that are in OUT already, such as the official ones, are not replaced.
    """
    with Progress() as progress:
        if images is None:
            synth(
                out,
                seed=seed,
                class_count=class_count,
                images_per_class=images_per_class,
                val_per_class=val_per_class,
                test_count=test_count,
                mean_nbytes=mean_nbytes,
                progress=progress,
            )
        else:
            synth_from_folder(
                out,
                images,
                seed=seed,
                class_count=class_count,
                images_per_class=images_per_class,
                val_per_class=val_per_class,
                test_count=test_count,
                progress=progress,
            )
    click.echo("\n".join(str(out / name) for name in FILE_NAMES))
