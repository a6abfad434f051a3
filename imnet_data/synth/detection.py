"""Small DET and VID sets in the layouts that they were published in, for tests and demonstrations.

    ILSVRC2017_DET.tar.gz, ILSVRC2015_VID.tar.gz   one archive of Data, Annotations, ImageSets and
                                                   devkit
    ILSVRC/, ILSVRC2015/                           the same, extracted; in VID's train folders there
                                                   are links a and b, which tracking scripts make
    ILSVRC2014_DET_train.tar and five others       DET of 2013 and 2014; det_lists in the devkit

What published sets have occurs: train images of breeds, whose objects have a subcategory; images
without a file of boxes; images of which a class is verified, partly boxed, or unknown; val images
without an object, and one that is blacklisted for a class; a snippet with a frame without objects.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal, NamedTuple

from imnet_data import arguments
from imnet_data.arguments import integer, one_of
from imnet_data.errors import ConvertError, OutputError
from imnet_data.machine.files import part_of, remove, require_new
from imnet_data.synth import det_images, snippets
from imnet_data.synth.archives import tar_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.synth.archives import TarWriter

Task = Literal["det", "vid"]
Layout = Literal["archive", "tree", "2014"]

_ROOTS = {"det": "ILSVRC", "vid": "ILSVRC2015"}
_ARCHIVES = {"det": "ILSVRC2017_DET.tar.gz", "vid": "ILSVRC2015_VID.tar.gz"}
_LINKED = ("Data/VID/train", "Annotations/VID/train")
# archive of DET of 2014 -> what it begins with, and the folder of the later layout that it has
_OF_2014 = {
    "ILSVRC2014_DET_bbox_train.tgz": ("ILSVRC2014_DET_bbox_train/", "Annotations/DET/train/"),
    "ILSVRC2013_DET_val.tar": ("ILSVRC2013_DET_val/", "Data/DET/val/"),
    "ILSVRC2013_DET_bbox_val.tgz": ("ILSVRC2013_DET_bbox_val/", "Annotations/DET/val/"),
    "ILSVRC2013_DET_test.tar": ("ILSVRC2013_DET_test/", "Data/DET/test/"),
    "ILSVRC2014_devkit.tgz": ("ILSVRC2014_devkit/", "devkit/"),
}
_TRAIN_OF_2014 = "ILSVRC2014_DET_train.tar"
_DATA = "Data/DET/train/"


class File(NamedTuple):
    """One file of a set, below its root."""

    path: str
    content: bytes


def synth_detection(
    out: StrPath,
    task: Task,
    *,
    layout: Layout = "archive",
    seed: int = 0,
    images_per_class: int = 4,
    frame_count: int = 12,
) -> list[str]:
    """Write a small DET or VID set into the folder `out`; return the names of what it wrote.

    Args:
        out: made if it is not there.
        task: "det" or "vid".
        layout: "archive", "tree" (extracted), or "2014" (DET alone).
        seed: any integer.
        images_per_class: DET: of train and of each of its six classes.
        frame_count: VID: of the longest snippet.

    Raises:
        OutputError: if `out` has files of these names, which may be the official ones.
        ConvertError: if a file cannot be written.
    """
    one_of("task", task, ("det", "vid"))
    one_of("layout", layout, ("archive", "tree", "2014") if task == "det" else ("archive", "tree"))
    integer("images_per_class", images_per_class, least=1)
    integer("frame_count", frame_count, least=2)
    folder, names = arguments.path("out", out), _names(task, layout)
    for name in names:
        for path in (folder / name, part_of(folder / name)):
            require_new(path, remedy="choose another folder")
            if path.is_dir():
                raise OutputError(f"{path}: is there already; choose another folder")
    files: Iterator[File] = (
        File(*each)
        for each in (
            det_images.files(seed, images_per_class)
            if task == "det"
            else snippets.files(seed, frame_count)
        )
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if layout == "archive":
            with tar_file(folder / names[0]) as tar:
                for path_in, content in files:
                    tar.add(f"{_ROOTS[task]}/{path_in}", content)
        elif layout == "tree":
            _write_tree(folder / names[0], files, linked=task == "vid")
        else:
            lists = det_images.lists_of_2014(seed, images_per_class)
            _write_of_2014(folder, files, lists)
    except OSError as error:
        raise ConvertError(
            f"{error.filename or folder}: {error.strerror or error}; "
            "make room or choose another folder"
        ) from error
    return names


def _names(task: Task, layout: Layout) -> list[str]:
    if layout == "archive":
        return [_ARCHIVES[task]]
    return [_ROOTS[task]] if layout == "tree" else [_TRAIN_OF_2014, *_OF_2014]


def _write_tree(root: Path, files: Iterator[File], *, linked: bool) -> None:
    part = part_of(root)
    try:
        for name, content in files:
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for folder in _LINKED if linked else ():
            for letter, target in zip("ab", sorted((part / folder).iterdir()), strict=True):
                (part / folder / letter).symlink_to(target.name)
        part.rename(root)
    except BaseException:
        remove(part)
        raise


def _write_of_2014(folder: Path, files: Iterator[File], lists: Iterator[tuple[str, bytes]]) -> None:
    batches: dict[str, list[File]] = {}
    with ExitStack() as stack:
        tars: dict[str, TarWriter] = {
            name: stack.enter_context(tar_file(folder / name)) for name in _OF_2014
        }
        for file in files:
            if file.path.startswith(_DATA):
                *_, batch, name = file.path.split("/")
                batches.setdefault(batch, []).append(file._replace(path=name))
            for archive, (root, place) in _OF_2014.items():
                if file.path.startswith(place):
                    below = file.path.removeprefix(place).removeprefix("ILSVRC2013_train/")
                    tars[archive].add(f"{root}{below}", file.content)
        for name, content in lists:
            tars["ILSVRC2014_devkit.tgz"].add(f"ILSVRC2014_devkit/data/{name}", content)
    with tar_file(folder / _TRAIN_OF_2014) as train:
        for batch, members in batches.items():
            with train.nested(f"ILSVRC2014_DET_train/{batch}.tar") as inner:
                for name, content in members:
                    inner.add(name, content)
