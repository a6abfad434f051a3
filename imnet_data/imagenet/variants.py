"""ImageNet's other test sets, and the other labels of its val images.

A dataset carries the name of what it is in dataset.json, and its class list is the full one of
ILSVRC2012, so that labels are the integers every model of 1000 classes has. Which of its classes
a set has at all follows from the name alone:

    imagenetv2-matched-frequency, imagenetv2-threshold0.7, imagenetv2-top-images    all 1000
    imagenet-sketch                                                                 all 1000
    imagenet-a, imagenet-r                                                          200 each
    objectnet      113 of its own, which are 125 of ImageNet's; two pixels at each edge are red

An image of ObjectNet carries the first of its class's wnids, in sorted order.

Source: modestyachts/ImageNetV2; hendrycks/natural-adv-examples; hendrycks/imagenet-r;
HaohanWang/ImageNet-Sketch; google-research/reassessed-imagenet, real.json (ReaL); objectnet.dev,
mappings/folder_to_objectnet_label.json and objectnet_to_imagenet_1k.json.
"""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import zstandard

from imnet_data.errors import EvaluationError, SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.corruptions import IMAGENET_C

if TYPE_CHECKING:
    from collections.abc import Sequence

ILSVRC2012 = "ilsvrc2012"
OBJECTNET = "objectnet"
IMAGENET_O = "imagenet-o"
HARD = "imagenet-hard"
TINY = "tiny-imagenet-200"

# of the lists of 200 wnids, LF-terminated, and of real.json
_CLASSES_SHA256 = {
    "imagenet-a": "9826a24166e74ce62fb87b27889874ca26917542c745712309d6e25855d63bc2",
    IMAGENET_O: "29575307f17b6cb040fcd04fee2b5b7b0e43f7c55072fb05d4b33cc39fc60978",
    "imagenet-r": "a6a0729f7a99230280639cab6e51e01485a3b41a676ea35621a501c9d6e83ca4",
}
_REAL_SHA256 = "d83e9bff374c631aae8439eb064c7019acc56e1b3bc3f56b8380c2a710b0220b"


class Variant(NamedTuple):
    """One set."""

    name: str  # as dataset.json has it
    counts: dict[str, int]  # images of each split as published; empty where not known for sure
    border: int = 0  # pixels at each edge that are no part of the picture
    has_own_classes: bool = False  # so that its labels count them, and not the 1000


def downsampled(side: int) -> str:
    """Return the name of the downsampled set of this side."""
    return f"imagenet-{side}x{side}"


_NETTE, _WOOF = {"train": 9_469, "val": 3_925}, {"train": 9_025, "val": 3_929}

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("imagenetv2-matched-frequency", {"val": 10_000}),
        Variant("imagenetv2-threshold0.7", {"val": 10_000}),
        Variant("imagenetv2-top-images", {"val": 10_000}),
        Variant("imagenet-a", {"val": 7_500}),
        Variant("imagenet-r", {"val": 30_000}),
        Variant("imagenet-sketch", {"val": 50_000}),
        Variant(OBJECTNET, {}, border=2),
        Variant(IMAGENET_C, {}),
        Variant(IMAGENET_O, {"val": 2_000}),
        Variant(HARD, {}),
        *(Variant(f"imagenette2{size}", _NETTE, 0, True) for size in ("", "-160", "-320")),
        *(Variant(f"imagewoof2{size}", _WOOF, 0, True) for size in ("", "-160", "-320")),
        Variant(TINY, {"train": 100_000, "val": 10_000, "test": 10_000}, 0, True),
        *(
            Variant(downsampled(side), {"train": 1_281_167, "val": 50_000})
            for side in (8, 16, 32, 64)
        ),
    )
}


def key_of_several(name: str, right: Sequence[str]) -> str:
    """Return the key of an image of ImageNet-Hard, with the wnids of its right classes."""
    return f"{name}-{'+'.join(right)}"


def right_wnids(key: str) -> tuple[str, ...]:
    """Return the wnids of the right classes of an image of ImageNet-Hard, by its key."""
    return tuple(key.rpartition("-")[2].split("+"))


@functools.cache
def wnids(name: str) -> tuple[str, ...]:
    """Return the sorted wnids that the images of a variant carry."""
    if name == OBJECTNET:
        return tuple(sorted(group[0] for group in objectnet_folders().values() if group))
    if name not in _CLASSES_SHA256:
        return labels.ilsvrc2012_wnids()
    found = tuple(_text(f"{name.replace('-', '_')}.txt").split())
    assert labels.fingerprint(found) == _CLASSES_SHA256[name]
    return found


@functools.cache
def objectnet_folders() -> dict[str, tuple[str, ...]]:
    """Map each of ObjectNet's 313 folders to its sorted wnids; none for 200 of them."""
    rows = [line.split("\t") for line in _text("objectnet.tsv").splitlines()[1:]]
    return {folder: tuple(found.split()) for folder, _, found in rows}


def counts_as(name: str, classes: Sequence[str]) -> list[int]:
    """Return the label that each of a dataset's classes counts as, -1 where it is left out.

    Args:
        name: of the dataset, from its dataset.json.
        classes: its class list.

    Raises:
        EvaluationError: if the name is not known, or a variant has not the classes of ILSVRC2012.
    """
    if name == ILSVRC2012:
        return list(range(len(classes)))
    if name not in VARIANTS:
        raise EvaluationError(
            f"no dataset called {name!r} is known ({', '.join((ILSVRC2012, *VARIANTS))}), so its "
            "classes are not known; update this program"
        )
    if VARIANTS[name].has_own_classes:
        return list(range(len(classes)))
    if tuple(classes) != labels.ilsvrc2012_wnids():
        raise EvaluationError(
            f"{name} is scored among the 1000 classes of ILSVRC2012, and this one was converted "
            f"to a list of {len(classes)}; convert it without --classes"
        )
    label_of = labels.integers(classes)
    if name == OBJECTNET:
        groups = [group for group in objectnet_folders().values() if group]
        stands_for = {wnid: label_of[group[0]] for group in groups for wnid in group}
    else:
        stands_for = {wnid: label_of[wnid] for wnid in wnids(name)}
    return [stands_for.get(wnid, -1) for wnid in classes]


def refuse_training(name: str) -> None:
    """Refuse a dataset whose licence forbids that anything is trained on it.

    Raises:
        SourceError: for ObjectNet.
    """
    if name == OBJECTNET:
        raise SourceError(
            "ObjectNet is a test set: its licence forbids to train or tune anything on it; "
            "use `imnet-data evaluate`"
        )


@functools.cache
def real_labels() -> tuple[tuple[int, ...], ...]:
    """Return the ReaL labels of the 50,000 val images in number order; none for 3,163 of them."""
    packed = (
        resources.files("imnet_data.imagenet").joinpath("data", "imagenet_real.zst").read_bytes()
    )
    raw = zstandard.decompress(packed)
    counts = np.frombuffer(raw, np.uint8, len(labels.val_wnids()))
    found = np.frombuffer(raw, "<u2", offset=len(counts))
    table = [part.tolist() for part in np.split(found, np.cumsum(counts)[:-1])]
    assert hashlib.sha256(json.dumps(table).encode()).hexdigest() == _REAL_SHA256
    return tuple(map(tuple, table))


def _text(name: str) -> str:
    return resources.files("imnet_data.imagenet").joinpath("data", name).read_text("utf-8")
