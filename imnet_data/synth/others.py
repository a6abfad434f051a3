"""Small versions of files of other tools, and of ImageNet's other sets, for tests and trials.

Each is written without the tool itself, but for Parquet. Images are drawn, and labels are those of
the classes; of ImageNet-C, the names are val images that have these classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.errors import ConvertError, OutputError
from imnet_data.machine.progress import Step, no_progress
from imnet_data.synth import images, sketch
from imnet_data.synth.layout import Layout, choose_classes
from imnet_data.synth.other_sets import SETS
from imnet_data.synth.tool_files import TOOLS

if TYPE_CHECKING:
    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress
    from imnet_data.synth.layout import Picture, Slot

NAMES = (*TOOLS, *SETS)


def synth_other(
    out: StrPath,
    name: str,
    *,
    seed: int = 0,
    class_count: int = 4,
    images_per_class: int = 3,
    val_per_class: int = 2,
    mean_nbytes: int = 3_000,
    progress: Progress = no_progress,
) -> list[str]:
    """Write a small version into the folder `out`; return the names of what it wrote.

    Args:
        out: made if it is not there; must be empty.
        name: one of `NAMES`.
        seed: any integer.
        class_count: 1 to 1000; of a set with classes of its own, at most as many.
        images_per_class: of train, where it has one.
        val_per_class: 1 or more.
        mean_nbytes: size of the average image.
        progress: called after each image.

    Raises:
        OutputError: if `out` has files.
        ConvertError: if a file cannot be written.
        MissingExtra: if pyarrow is not installed, for Parquet files.
    """
    arguments.one_of("name", name, NAMES)
    arguments.integer("mean_nbytes", mean_nbytes, least=1_500, most=sketch.FULL_NBYTES)
    arguments.integer("val_per_class", val_per_class, least=1)
    folder = arguments.path("out", out)
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: has files, and none is replaced; choose another folder")
    layout = Layout(
        seed=seed,
        classes=choose_classes(class_count, first=()),
        images_per_class=images_per_class,
        val_per_class=val_per_class,
        test_count=0,
    )
    scale, count = sketch.scale_of(mean_nbytes), 0

    def draw(slot: Slot) -> Picture:
        nonlocal count
        count += 1
        progress(Step("synth", count, layout.image_count))
        return images.draw(slot._replace(oddity=""), seed=seed, scale=scale)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (TOOLS | SETS)[name](folder, layout, draw)
    except OSError as error:
        raise ConvertError(
            f"{error.filename or folder}: {error.strerror or error}; "
            "make room or choose another folder"
        ) from error
    return sorted(path.name for path in folder.iterdir())
