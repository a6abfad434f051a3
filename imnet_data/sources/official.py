"""Whether a file is one of the official files of ILSVRC2012, whole."""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.archives import tar
from imnet_data.errors import SourceError
from imnet_data.imagenet import facts, labels
from imnet_data.machine.progress import Step, no_progress
from imnet_data.sources import archive, devkit, find, variants
from imnet_data.sources.images import sorted_by_key
from imnet_data.sources.scan import scan
from imnet_data.storage.ahead import ahead_of
from imnet_data.storage.place import open_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from imnet_data.imagenet.facts import OfficialFile
    from imnet_data.machine.progress import Progress
    from imnet_data.sources.images import Columns
    from imnet_data.sources.scan import Found
    from imnet_data.storage.place import Place

_CHUNK = 1 << 22  # bytes
_MISSING = re.compile(r" has [\d,]+$| not have | not here ")  # in a note on a set
_NAMED = 5  # how many keys or classes a difference names


def check_official(path: Place, progress: Progress = no_progress) -> list[str]:
    """Return all differences between the file at `path` and the official one, as text.

    Size and hashes are compared where `official_file` knows the name; the inner structure is
    compared in any case, and all that can be said where the name is not known.
    """
    differences: list[str] = []
    official = facts.official_file(path.name)
    try:
        if official is not None:
            differences += _check_bytes(path, official, progress)
        layout = variants.find_layout([path])
        differences += (
            _check_structure(path, progress) if layout is None else _check_set(layout, progress)
        )
    except SourceError as error:
        text = str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
        differences.append(text.replace(tar.REMEDY, "download it again"))  # this is that check
    except OSError as error:
        differences.append(f"cannot be read ({error.strerror})")
    return differences


def _check_bytes(path: Place, official: OfficialFile, progress: Progress) -> Iterator[str]:
    published = {"md5": official.md5, "sha256": official.sha256}
    expected = {name: digest for name, digest in published.items() if digest}
    hashes = [hashlib.new(name, usedforsecurity=False) for name in expected]
    file = open_place(path)
    nbytes, total = 0, file.nbytes
    if official.nbytes not in (None, total):
        yield f"has {total} bytes, the official file has {official.nbytes}"
    with closing(file):
        reading = ahead_of(file)
        while chunk := reading.read(nbytes, _CHUNK):
            for running in hashes:
                running.update(chunk)
            nbytes += len(chunk)
            progress(Step(f"hash {path.name}", nbytes, total))
    for running, digest in zip(hashes, expected.values(), strict=True):
        if running.hexdigest() != digest:
            yield (
                f"{running.name} is {running.hexdigest()}, published is {digest}; download it again"
            )


def _check_set(layout: variants.Layout, progress: Progress) -> list[str]:
    """Return what is missing of another set."""
    opened = variants.open_layout(
        layout, split=None, labels=None, spool_folder=None, progress=progress
    )
    for container in opened.containers:
        container.close()
    return [note for note in opened.notes if _MISSING.search(note)]


def _check_structure(path: Place, progress: Progress) -> Iterator[str]:
    container, _ = archive.open_archive(path, spool_folder=None)
    with closing(container):
        found = scan(container, 0, split=None, progress=progress)
        promised = find.split_of_name(path.name)
        if promised is not None and promised not in found.images:
            yield f"holds no {promised} images"
        for split, images in found.images.items():
            columns, _ = sorted_by_key(images, [container])
            check = _check_train if split == "train" else _check_numbered
            yield from check(split, columns)
        if devkit.META in found.texts or "devkit" in path.name:
            yield from _check_devkit(path.name, found)


def _check_train(split: str, columns: Columns) -> Iterator[str]:
    wnids, counts = np.unique(columns.wnids, return_counts=True)
    known = np.array(labels.ilsvrc2012_wnids(), "S9")
    published = facts.SPLITS[split]
    if len(columns.keys) != published.record_count:
        yield f"has {len(columns.keys)} images of train, ILSVRC2012 has {published.record_count}"
    missing, extra = np.setdiff1d(known, wnids), np.setdiff1d(wnids, known)
    if len(missing):
        yield f"{len(missing)} of the {len(known)} classes are missing: {_some(missing)}"
    if len(extra):
        yield f"{len(extra)} classes are not of ILSVRC2012: {_some(extra)}"
    assert published.class_counts is not None
    least, most = published.class_counts[0], published.class_counts[-1]
    odd = (counts < least) | (counts > most)
    if odd.any():
        texts = [b"%s %d" % pair for pair in zip(wnids[odd], counts[odd], strict=True)]
        yield f"{len(texts)} classes do not have {least} to {most} images: {_some(texts)}"


def _check_numbered(split: str, columns: Columns) -> Iterator[str]:
    """Check the numbers of val or test images; all of val's mean 50 in each class."""
    numbers = range(1, facts.SPLITS[split].record_count + 1)
    expected = np.array([f"ILSVRC2012_{split}_{number:08d}" for number in numbers], np.bytes_)
    missing, extra = np.setdiff1d(expected, columns.keys), np.setdiff1d(columns.keys, expected)
    if len(missing):
        yield f"{len(missing)} of {len(expected)} images of {split} are missing: {_some(missing)}"
    if len(extra):
        yield f"{len(extra)} images are not of ILSVRC2012's {split}: {_some(extra)}"


def _some(names: Sequence[bytes] | NDArray[np.bytes_]) -> str:
    more = " ..." if len(names) > _NAMED else ""
    return ", ".join(name.decode() for name in names[:_NAMED]) + more


def _check_devkit(name: str, found: Found) -> Iterator[str]:
    texts = found.texts
    for needed in (devkit.META, devkit.GROUND_TRUTH):
        if needed not in texts:
            yield f"has no {needed}"
    if devkit.META in texts:
        kit = devkit.read_meta(texts[devkit.META], archive=name)
        if kit.classes != labels.ilsvrc2012_wnids():
            yield f"has {len(kit.classes)} classes, ILSVRC2012 has 1000"
    if devkit.GROUND_TRUTH in texts:
        truth = devkit.read_ground_truth(texts[devkit.GROUND_TRUTH], archive=name, devkit=None)
        if truth != labels.val_wnids():
            yield f"the ground truth ({len(truth)} lines) is not that of ILSVRC2012"
