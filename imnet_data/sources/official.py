"""The official files of ILSVRC2012, and whether a file is one of them, whole.

Sizes and MD5 of train, val and devkit: pytorch/vision torchvision/datasets/imagenet.py,
CompVis/taming-transformers taming/data/imagenet.py. SHA-256 of val: tensorflow/datasets,
url_checksums/imagenet2012_real.txt. All others are known from one third party each.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.sources import devkit, find
from imnet_data.sources.images import sorted_by_key
from imnet_data.sources.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imnet_data.sources.images import Columns
    from imnet_data.sources.scan import Found

    Progress = Callable[[str, int, int], None]

COUNTS = {"train": 1_281_167, "val": 50_000, "test": 100_000}
CLASS_COUNTS = range(732, 1301)  # images of train in one class

_CHUNK = 1 << 22  # bytes
_NAMED = 5  # how many keys or classes a difference names


class OfficialFile(NamedTuple):
    """One file as image-net.org has it."""

    name: str
    nbytes: int | None  # None where it is not known for sure
    md5: str
    sha256: str | None = None


OFFICIAL_FILES = (
    OfficialFile("ILSVRC2012_img_train.tar", 147_897_477_120, "1d675b47d978889d74fa0da5fadfb00e"),
    OfficialFile(
        "ILSVRC2012_img_val.tar",
        6_744_924_160,
        "29b22e2961454d5413ddabcf34fc5622",
        "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0",
    ),
    OfficialFile(
        "ILSVRC2012_devkit_t12.tar.gz",
        None,
        "fa75699e90414af021442c21a62c3abf",
        "b59243268c0d266621fd587d2018f69e906fb22875aca0e295b48cafaa927953",
    ),
    OfficialFile("ILSVRC2012_img_train_t3.tar", None, "ccaf1013018ac1037801578038d370da"),
    OfficialFile("ILSVRC2012_img_test_v10102019.tar", None, "e1b8681fff3d63731c599df9b4b6fc02"),
    OfficialFile("ILSVRC2012_img_test.tar", None, "fe64ceb247e473635708aed23ab6d839"),
    OfficialFile("ILSVRC2012_bbox_train_v2.tar.gz", None, "9271167e2176350e65cfe4e546f14b17"),
    OfficialFile("ILSVRC2012_bbox_val_v3.tgz", None, "f4cd18b5ea29fe6bbea62ec9c20d80f0"),
    OfficialFile("ILSVRC2012_bbox_train_dogs.tar.gz", None, "61ebd3cc0e4793899a841b6b27f3d6d8"),
    OfficialFile("ILSVRC2012_bbox_test_dogs.zip", None, "2dfdb2677fd9661585d17d5a5d027624"),
)


def official_file(name: str) -> OfficialFile | None:
    """Return the official file of this base name, if there is one."""
    return next((file for file in OFFICIAL_FILES if file.name == name), None)


def check_official(path: Path, progress: Progress | None = None) -> list[str]:
    """Return all differences between the file at `path` and the official one, as text.

    Size and hashes are compared where `official_file` knows the name; the inner structure is
    compared in any case, and all that can be said where the name is not known.
    """
    if path.is_dir():
        return [f"{path}: is a folder without dataset.json, so no dataset; give archives by name"]
    differences: list[str] = []
    official = official_file(path.name)
    try:
        if official is not None:
            differences += _check_bytes(path, official, progress)
        differences += _check_structure(path, progress)
    except SourceError as error:
        differences.append(str(error))
    except OSError as error:
        differences.append(f"{path}: {error.strerror}")
    return differences


def _check_bytes(path: Path, official: OfficialFile, progress: Progress | None) -> Iterator[str]:
    expected = {"md5": official.md5} | ({"sha256": official.sha256} if official.sha256 else {})
    hashes = [hashlib.new(name, usedforsecurity=False) for name in expected]
    nbytes, total = 0, path.stat().st_size
    if official.nbytes not in (None, total):
        yield f"{path.name}: has {total} bytes, the official file has {official.nbytes}"
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            for running in hashes:
                running.update(chunk)
            nbytes += len(chunk)
            if progress:
                progress(f"hash {path.name}", nbytes, total)
    for running, published in zip(hashes, expected.values(), strict=True):
        if running.hexdigest() != published:
            yield (
                f"{path.name}: {running.name} is {running.hexdigest()}, published is {published}; "
                "download it again"
            )


def _check_structure(path: Path, progress: Progress | None) -> Iterator[str]:
    container, _ = find.open_archive(path, spool_folder=None)
    with contextlib.closing(container):
        found = scan(container, 0, split=None, boxes_builder=None, progress=progress)
        promised = find.split_of_name(path.name)
        if promised is not None and promised not in found.images:
            yield f"{path.name}: holds no {promised} images"
        for split, builder in found.images.items():
            columns = sorted_by_key(builder.columns(), [container])
            check = _check_train if split == "train" else _check_numbered
            yield from (f"{path.name}: {text}" for text in check(split, columns))
        if devkit.META in found.texts or "devkit" in path.name:
            yield from _check_devkit(path.name, found)


def _check_train(split: str, columns: Columns) -> Iterator[str]:
    wnids, counts = np.unique(columns.wnids, return_counts=True)
    known = np.array(labels.ilsvrc2012_wnids(), "S9")
    if len(columns.keys) != COUNTS[split]:
        yield f"has {len(columns.keys)} images of train, ILSVRC2012 has {COUNTS[split]}"
    missing, extra = np.setdiff1d(known, wnids), np.setdiff1d(wnids, known)
    if len(missing):
        yield f"{len(missing)} of the {len(known)} classes are missing: {_some(missing)}"
    if len(extra):
        yield f"{len(extra)} classes are not of ILSVRC2012: {_some(extra)}"
    for wnid, count in zip(wnids.tolist(), counts.tolist(), strict=True):
        if count not in CLASS_COUNTS:
            yield (
                f"{wnid.decode()} has {count} images, classes have "
                f"{CLASS_COUNTS[0]} to {CLASS_COUNTS[-1]}"
            )


def _check_numbered(split: str, columns: Columns) -> Iterator[str]:
    """Check the numbers of val or test images; all of val's mean 50 in each class."""
    expected = np.array(
        [f"ILSVRC2012_{split}_{number:08d}" for number in range(1, COUNTS[split] + 1)], np.bytes_
    )
    missing, extra = np.setdiff1d(expected, columns.keys), np.setdiff1d(columns.keys, expected)
    if len(missing):
        yield f"{len(missing)} of {len(expected)} images of {split} are missing: {_some(missing)}"
    if len(extra):
        yield f"{len(extra)} images are not of ILSVRC2012's {split}: {_some(extra)}"


def _some(names: np.ndarray[tuple[int, ...], np.dtype[np.bytes_]]) -> str:
    more = " ..." if len(names) > _NAMED else ""
    return ", ".join(name.decode() for name in names[:_NAMED]) + more


def _check_devkit(name: str, found: Found) -> Iterator[str]:
    texts = found.texts
    for needed in (devkit.META, devkit.GROUND_TRUTH):
        if needed not in texts:
            yield f"{name}: has no {needed}"
    if devkit.META in texts:
        kit = devkit.read_meta(texts[devkit.META], archive=name)
        if kit.classes != labels.ilsvrc2012_wnids():
            yield f"{name}: has {len(kit.classes)} classes, ILSVRC2012 has 1000"
    if devkit.GROUND_TRUTH in texts:
        truth = devkit.read_ground_truth(texts[devkit.GROUND_TRUTH], archive=name, devkit=None)
        if truth != labels.val_wnids():
            yield f"{name}: the ground truth ({len(truth)} lines) is not that of ILSVRC2012"
