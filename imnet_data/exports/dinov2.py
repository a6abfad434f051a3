"""The tables that DINOv2's and DINOv3's dataset classes read (`extra=`), for images as they lie.

`ImageNet` reads an image folder, `ROOT/train/<wnid>/<wnid>_<n>.JPEG`,
`ROOT/val/<wnid>/ILSVRC2012_val_<8 digits>.JPEG` and `ROOT/test/ILSVRC2012_test_<8 digits>.JPEG`,
which a dataset of format folder is. It makes the name of a file from these arrays:

    entries-TRAIN.npy      actual_index <u4, class_index <u4, class_id <U9, class_name <U..
    class-ids-TRAIN.npy    <U9: the wnid of each class index; likewise class-names-TRAIN.npy

and the same for VAL; TEST has entries alone, of class 4294967295, with empty names. Rows are in
ImageFolder's order, those of test by number. The reader stops where the number of rows is not the
published one.

`ImageNet22k` reads a folder of archives; see `dinov2_archives`.

Source: facebookresearch/dinov2, dinov2/data/datasets/image_net.py; the same file of
facebookresearch/dinov3.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data import arguments
from imnet_data.dataset import description, opened
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError
from imnet_data.exports import dinov2_archives
from imnet_data.imagenet import facts, labels
from imnet_data.machine import files
from imnet_data.machine.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress

_NO_CLASS = (1 << 32) - 1
_NUMBERS = {
    "train": re.compile(r"n\d{8}_(0|[1-9]\d{0,8})", re.ASCII),
    "val": re.compile(r"ILSVRC2012_val_(\d{8})", re.ASCII),
    "test": re.compile(r"ILSVRC2012_test_(\d{8})", re.ASCII),
}


class Exported(NamedTuple):
    """What an export wrote."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]  # what the reader will not take, or what was left out


def export(
    root: StrPath, out: StrPath, *, overwrite: bool = False, progress: Progress = no_progress
) -> Exported:
    """Write the tables for the images at `root` into the folder `out`.

    Args:
        root: a dataset of format folder, or a folder of archives `<wnid>.tar`.
        out: made if it is not there; what DINOv2 calls `extra`.
        overwrite: whether files of these names are replaced.
        progress: called after each archive.

    Raises:
        ConvertError: if the reader could not read these images.
        SourceError: if an archive is damaged.
        OutputError: if there are such files already.
    """
    images, folder = arguments.path("root", root), arguments.path("out", out)
    is_dataset = opened.is_dataset(images)
    tables, notes = _of_dataset(images) if is_dataset else ({}, [])
    names = tuple(tables) if is_dataset else dinov2_archives.FILE_NAMES
    for name in names:
        files.require_new(folder / name, overwrite=overwrite)
    if not is_dataset:
        notes = dinov2_archives.write(images, folder, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with files.appearing(folder / name) as part, part.open("wb") as file:
            np.save(file, table)
    return Exported(tuple(folder / name for name in names), tuple(notes))


def _of_dataset(root: Path) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    about = description.read(root)
    if about.format != "folder":
        raise ConvertError(
            f"{root}: is of format {about.format}, and DINOv2 reads image folders; convert it "
            f"first: imnet-data convert {shlex.quote(str(root))} FOLDER --format folder"
        )
    tables: dict[str, NDArray[np.generic]] = {}
    notes = []
    for split in (name for name in _NUMBERS if name in about.splits):
        with Dataset.open(root, split) as dataset:
            tables |= _tables(dataset)
            count, published = len(dataset), facts.SPLITS[split].record_count
        if count != published:
            notes.append(
                f"{split} has {count:,} images; DINOv2's reader stops unless there are all "
                f"{published:,}"
            )
    if not tables:
        raise ConvertError(
            f"{root}: has the splits {', '.join(about.splits)}, and DINOv2 reads "
            f"{', '.join(_NUMBERS)}; convert one of these"
        )
    return tables, notes


def _tables(dataset: Dataset) -> dict[str, NDArray[np.generic]]:
    suffix = f"{dataset.split.upper()}.npy"
    if dataset.split == "test":
        return {f"entries-{suffix}": _entries(dataset, [], [])}
    words = labels.words_of()
    names = [words.get(wnid, wnid).partition(",")[0] for wnid in dataset.classes]
    return {
        f"entries-{suffix}": _entries(dataset, dataset.classes, names),
        f"class-ids-{suffix}": np.array(dataset.classes),
        f"class-names-{suffix}": np.array(names),
    }


def _entries(dataset: Dataset, classes: Sequence[str], names: Sequence[str]) -> NDArray[np.void]:
    """Return a row per record; without classes, the records are of none."""
    keys = dataset.index.key
    label = dataset.labels if classes else np.full(len(keys), -1)
    order = np.lexsort((keys, label))
    label = label[order]
    types = [("actual_index", "<u4"), ("class_index", "<u4")]
    types += [("class_id", _text_type(classes)), ("class_name", _text_type(names))]
    entries = np.empty(len(keys), types)
    entries["actual_index"] = [_number(key.decode(), dataset) for key in keys[order].tolist()]
    entries["class_index"] = np.where(label < 0, _NO_CLASS, label)
    entries["class_id"] = np.array([*classes, ""])[label]  # the last is that of label -1
    entries["class_name"] = np.array([*names, ""])[label]
    return entries


def _number(key: str, dataset: Dataset) -> int:
    """Return the number in a key: all that the reader has for the name of a file."""
    found = _NUMBERS[dataset.split].fullmatch(key)
    if found is None:
        raise ConvertError(
            f"{dataset.root}: {dataset.split} has {key!r}, and DINOv2 makes the names of files "
            "from numbers, as the official ones are; convert the official images"
        )
    return int(found[1])


def _text_type(texts: Iterable[str]) -> str:
    return f"<U{max(map(len, texts), default=0)}"
