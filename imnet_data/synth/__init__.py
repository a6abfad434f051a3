"""Input of the shape of ILSVRC2012, made from a seed, for tests and demonstrations.

Reading such input belongs to `sources`.

The six official files under their official names: train (a tar of tars), val (members not in
number order), test (under `test/`), the devkit, and the boxes of train (two images of five have
some) and of val. The same arguments give the same bytes with the same Pillow and zlib. Images are
written as they are made, so memory does not grow with their number.

The known oddities occur as far as there is room: the PNG called n02105855_2933.JPEG, the CMYK JPEG
n01739381_1309 (from two classes on: both), and from three classes on one image each with damaged
EXIF, progressive coding and grey alone; in val a huge one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.errors import ConvertError
from imnet_data.machine.files import part_of, require_new
from imnet_data.machine.progress import Step, no_progress
from imnet_data.synth import boxes, devkit, folder, images, sketch
from imnet_data.synth.archives import tar_file
from imnet_data.synth.layout import Layout, choose_classes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress
    from imnet_data.synth.layout import Picture, Slot

    Draw = Callable[[Slot], Picture]

__all__ = ["FILE_NAMES", "synth", "synth_from_folder"]

TRAIN = "ILSVRC2012_img_train.tar"
VAL = "ILSVRC2012_img_val.tar"
TEST = "ILSVRC2012_img_test_v10102019.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
TRAIN_BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
VAL_BOXES = "ILSVRC2012_bbox_val_v3.tgz"
FILE_NAMES = (TRAIN, VAL, TEST, DEVKIT, TRAIN_BOXES, VAL_BOXES)


def synth(
    out: StrPath,
    *,
    seed: int = 0,
    class_count: int = 10,
    images_per_class: int = 50,
    val_per_class: int = 10,
    test_count: int = 20,
    mean_nbytes: int = 110_000,
    progress: Progress = no_progress,
) -> None:
    """Write the official files into the folder `out`, with drawn images.

    Args:
        out: made if it is not there.
        seed: any integer.
        class_count: 1 to 1000, of the classes of ILSVRC2012.
        images_per_class: of train, 1 or more.
        val_per_class: 0 or more.
        test_count: 0 or more.
        mean_nbytes: size of the average JPEG, 1,500 to 110,000, which is ImageNet's; the sides
            of the images follow it, the bits a pixel do down to about 30,000 only.
        progress: called after each image.

    Raises:
        OutputError: if `out` has files of these names, which may be the official ones.
        ConvertError: if a file cannot be written.
    """
    arguments.integer("mean_nbytes", mean_nbytes, least=1_500, most=sketch.FULL_NBYTES)
    layout = Layout(
        seed=seed,
        classes=choose_classes(class_count),
        images_per_class=images_per_class,
        val_per_class=val_per_class,
        test_count=test_count,
    )
    scale = sketch.scale_of(mean_nbytes)
    _write(out, layout, lambda slot: images.draw(slot, seed=seed, scale=scale), progress)


def synth_from_folder(
    out: StrPath,
    image_folder: StrPath,
    *,
    seed: int = 0,
    class_count: int = 10,
    images_per_class: int = 50,
    val_per_class: int = 10,
    test_count: int = 20,
    progress: Progress = no_progress,
) -> None:
    """Write the official files into the folder `out`, with the image files of another folder.

    Files are taken as they are, by name and in turn. One whose name begins with a wnid of
    ILSVRC2012 is of that class, and those classes are taken before others; a class without files
    of its own takes all in turn. Arguments are those of `synth`.

    Raises:
        SourceError: if the folder has no file that ends in .jpeg, .jpg or .png.
        OutputError: if `out` has files of the official names.
        ConvertError: if a file cannot be read or written.
    """
    shelf = folder.Shelf(arguments.path("image_folder", image_folder))
    layout = Layout(
        seed=seed,
        classes=choose_classes(class_count, first=shelf.wnids),
        images_per_class=images_per_class,
        val_per_class=val_per_class,
        test_count=test_count,
    )
    _write(out, layout, lambda slot: shelf.take(slot, layout), progress)


def _write(to: StrPath, layout: Layout, draw: Draw, progress: Progress) -> None:
    out = arguments.path("out", to)
    for name in FILE_NAMES:
        for path in (out / name, part_of(out / name)):
            require_new(path, remedy="choose another folder")
    counted = _counted(draw, layout.image_count, progress)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_devkit(out / DEVKIT, layout)
        _write_train(out, layout, counted)
        _write_val(out, layout, counted)
        _write_test(out / TEST, layout, counted)
    except OSError as error:
        raise ConvertError(
            f"{error.filename or out}: {error.strerror or error}; "
            "make room or choose another folder"
        ) from error


def _counted(draw: Draw, total: int, progress: Progress) -> Draw:
    count = 0

    def draw_and_tell(slot: Slot) -> Picture:
        nonlocal count
        picture = draw(slot)
        count += 1
        progress(Step("synth", count, total))
        return picture

    return draw_and_tell


def _write_devkit(path: Path, layout: Layout) -> None:
    val_wnids = [layout.classes[label] for label in layout.val_labels()]
    meta = devkit.meta_mat(layout.classes, images_per_class=layout.images_per_class)
    with tar_file(path) as tar:
        tar.add_folder(devkit.ROOT)
        tar.add(f"{devkit.ROOT}/readme.txt", devkit.README.encode())
        tar.add_folder(f"{devkit.ROOT}/data")
        tar.add(f"{devkit.ROOT}/data/meta.mat", meta)
        name = "ILSVRC2012_validation_ground_truth.txt"
        tar.add(f"{devkit.ROOT}/data/{name}", devkit.ground_truth(val_wnids))


def _write_train(out: Path, layout: Layout, draw: Draw) -> None:
    with tar_file(out / TRAIN) as train, tar_file(out / TRAIN_BOXES) as xml:
        for label, wnid in enumerate(layout.classes):
            xml.add_folder(wnid)
            with train.nested(f"{wnid}.tar") as tar:
                for slot in layout.train(label):
                    picture = draw(slot)
                    tar.add(f"{slot.key}.JPEG", picture.data)
                    # 544,546 of 1,281,167 images of the original have boxes
                    fives, rest = divmod(slot.image_index, 5)
                    if rest in (0, 2) and picture.boxes:
                        text = boxes.voc_xml(slot.key, wnid, picture, number=fives * 2 + rest // 2)
                        xml.add(f"{wnid}/{slot.key}.xml", text)


def _write_val(out: Path, layout: Layout, draw: Draw) -> None:
    with tar_file(out / VAL) as val, tar_file(out / VAL_BOXES) as xml:
        xml.add_folder("val")
        for slot in layout.val():
            picture = draw(slot)
            val.add(f"{slot.key}.JPEG", picture.data)
            if picture.boxes:
                wnid = layout.classes[slot.label]
                text = boxes.voc_xml(slot.key, wnid, picture, number=slot.image_index)
                xml.add(f"val/{slot.key}.xml", text)


def _write_test(path: Path, layout: Layout, draw: Draw) -> None:
    with tar_file(path) as tar:
        tar.add_folder("test")
        for slot in layout.test():
            tar.add(f"test/{slot.key}.JPEG", draw(slot).data)
