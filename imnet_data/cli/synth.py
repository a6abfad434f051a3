"""`imnet-data synth`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from imnet_data.arguments import ArgumentError
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import nbytes, out_path, source_path
from imnet_data.synth import FILE_NAMES, synth, synth_from_folder
from imnet_data.synth.detection import synth_detection
from imnet_data.synth.imagenet21k import RELEASES, synth_imagenet21k
from imnet_data.synth.others import NAMES, synth_other

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.synth.detection import Layout, Task


@click.command(
    name="synth",
    epilog=examples(
        "imnet-data synth tarballs",
        "imnet-data synth tarballs --classes 100 --images-per-class 20 --bytes 20KB",
        "imnet-data synth video --set vid --layout tree",
    ),
)
@click.argument("out", type=out_path)
@click.option(
    "--seed", metavar="N", default=0, show_default=True, help="Seed of names, sizes and pixels."
)
@click.option(
    "--classes",
    "class_count",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=10,
    show_default=True,
    help="Number of classes.",
)
@click.option(
    "--images-per-class",
    type=click.IntRange(1),
    metavar="N",
    default=50,
    show_default=True,
    help="Number of train images per class.",
)
@click.option(
    "--val-per-class",
    type=click.IntRange(1),
    metavar="N",
    default=10,
    show_default=True,
    help="Number of val images per class.",
)
@click.option(
    "--test",
    "test_count",
    type=click.IntRange(1),
    metavar="N",
    default=20,
    show_default=True,
    help="Number of test images.",
)
@click.option(
    "--bytes",
    "mean_nbytes",
    type=nbytes,
    metavar="SIZE",
    default="110KB",
    show_default=True,
    help="Mean size of an image file; smaller files have fewer pixels.",
)
@click.option(
    "--set",
    "set_name",
    type=click.Choice(["ilsvrc2012", "det", "vid", *RELEASES, *NAMES]),
    metavar="NAME",
    default="ilsvrc2012",
    show_default=True,
    help="Data set to imitate; of det and vid, a small one with images of its own is written, for "
    "which --seed alone counts. NAME is ilsvrc2012, det, vid; of ImageNet-21k "
    f"{', '.join(RELEASES)}; of other tools' files and other sets {', '.join(NAMES)}.",
)
@click.option(
    "--layout",
    type=click.Choice(["archive", "tree", "2014"]),
    default="archive",
    show_default=True,
    help="Layout of det and vid: one archive, the extracted tree, or the six archives of DET of "
    "2014.",
)
@click.option(
    "--images", type=source_path, help="Use the images in this folder instead of synthetic ones."
)
def command(
    out: Path,
    seed: int,
    class_count: int,
    images_per_class: int,
    val_per_class: int,
    test_count: int,
    mean_nbytes: int,
    set_name: str,
    layout: Layout,
    images: Path | None,
) -> None:
    """Write synthetic tarballs that look like ILSVRC2012's to the folder OUT.

    They have the names, the nesting, the devkit, the boxes and the known bad images of the official
    tarballs, and images with the same statistics. They are meant for trials, tests and benchmarks.
    Files in OUT that already have these names, such as the official tarballs, are not replaced.
    """
    if set_name != "ilsvrc2012":
        try:
            if set_name in NAMES:
                with Progress() as progress:
                    names = synth_other(
                        out,
                        set_name,
                        seed=seed,
                        class_count=class_count,
                        images_per_class=images_per_class,
                        val_per_class=val_per_class,
                        mean_nbytes=mean_nbytes,
                        progress=progress,
                    )
            elif set_name in RELEASES:
                with Progress() as progress:
                    names = synth_imagenet21k(
                        out,
                        set_name,
                        seed=seed,
                        class_count=class_count,
                        images_per_class=images_per_class,
                        val_per_class=val_per_class,
                        mean_nbytes=mean_nbytes,
                        progress=progress,
                    )
            else:
                names = synth_detection(out, cast("Task", set_name), layout=layout, seed=seed)
        except ArgumentError:
            raise  # the name of its option is known to all commands
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        click.echo("\n".join(str(out / name) for name in names))
        return
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
