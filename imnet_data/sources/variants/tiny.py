"""Tiny-ImageNet-200: 200 classes of ILSVRC2012 in 64 x 64 pixels.

    tiny-imagenet-200/wnids.txt                             the classes, in an order of its own
    tiny-imagenet-200/train/<wnid>/images/<wnid>_<n>.JPEG   (and <wnid>_boxes.txt)
    tiny-imagenet-200/val/val_annotations.txt               name, wnid, box
    tiny-imagenet-200/val/images/val_<n>.JPEG
    tiny-imagenet-200/test/images/test_<n>.JPEG             without labels

Two label orders are in use and the archive says neither: that of wnids.txt, and the sorted one, as
of any folder of classes. A dataset stores wnids, and its own labels are by sorted ones; wnids.txt
is a label space like any other file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.imagenet.variants import TINY, VARIANTS
from imnet_data.sources.left_out import NO_IMAGE
from imnet_data.sources.names import IMAGE_SUFFIXES, Named, key_of
from imnet_data.sources.variants.rules import Finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imnet_data.sources.images import Columns

_WNIDS, _VAL = "wnids.txt", "val_annotations.txt"
_CLASS_COUNT = 200
_REMEDY = "unpack or download the archive again"


class Tiny:
    """The rules of Tiny-ImageNet-200."""

    name = TINY
    splits = ("train", "val", "test")
    texts = frozenset({_WNIDS, _VAL})

    def named(self, path: str) -> Named | str:
        """Return what a path says, or why the file is left out."""
        parts = path.split("/")
        stem, _, suffix = parts[-1].rpartition(".")
        if suffix.lower() not in IMAGE_SUFFIXES:
            return "lists and boxes of Tiny-ImageNet" if suffix == "txt" else NO_IMAGE
        key = key_of(stem, path=path)
        if parts[-2:-1] == ["images"]:
            parts = parts[:-2]
            if parts[-1:] in (["val"], ["test"]):
                return Named(parts[-1], key, "")
            if parts[-2:-1] == ["train"] and is_wnid(parts[-1]):
                return Named("train", key, parts[-1])
        if parts[-3:-2] == ["val"] and is_wnid(parts[-2]):  # sorted into folders by a script
            return Named("val", key, parts[-2])
        raise SourceError(
            f"{path!r} is neither train/<wnid>/images/, val/images/ nor test/images/; {_REMEDY}"
        )

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images with the labels of val, and which of the two orders is used."""
        if _WNIDS not in texts:
            raise SourceError(f"has no {_WNIDS}; {_REMEDY}")
        listed = texts[_WNIDS].decode("ascii", "replace").split()
        classes = tuple(sorted(set(listed)))
        if len(classes) != len(listed) or not all(map(is_wnid, listed)):
            raise SourceError(f"{_WNIDS} is no list of wnids; {_REMEDY}")
        if "val" in found:
            found["val"] = _labelled(found["val"], texts.get(_VAL, b""))
        for split, columns in found.items():
            strange = set(np.unique(columns.wnids).tolist()) - {wnid.encode() for wnid in classes}
            if strange - {b""}:
                raise SourceError(f"{split}: {max(strange).decode()} is not in {_WNIDS}; {_REMEDY}")
        return Finished(found, classes, tuple(_notes(found, listed)))


def _labelled(columns: Columns, annotations: bytes) -> Columns:
    """Return the val images with the classes of val_annotations.txt."""
    lines = (line.split("\t") for line in annotations.decode("ascii", "replace").splitlines())
    wnid_of = {line[0].rpartition(".")[0]: line[1] for line in lines if len(line) > 1}
    told = np.array([wnid_of.get(key.decode(), "") for key in columns.keys], "S9")
    wrong = np.flatnonzero((columns.wnids != b"") & (told != b"") & (columns.wnids != told))
    if len(wrong):
        raise SourceError(
            f"val: {columns.keys[wrong[0]].decode()} lies in another folder than its class in "
            f"{_VAL}; {_REMEDY}"
        )
    wnids = np.where(columns.wnids == b"", told, columns.wnids)
    unknown = np.flatnonzero(wnids == b"")
    if len(unknown):
        raise SourceError(
            f"val: {columns.keys[unknown[0]].decode()} is not in {_VAL}, so its class is not known;"
            f" {_REMEDY}"
        )
    return columns._replace(wnids=wnids)


def _notes(found: dict[str, Columns], listed: list[str]) -> list[str]:
    notes = [
        f"has {len(columns.keys):,} images of {split}, {TINY} has {VARIANTS[TINY].counts[split]:,}"
        for split, columns in found.items()
        if len(columns.keys) != VARIANTS[TINY].counts[split]
    ]
    if len(listed) != _CLASS_COUNT:
        notes.append(f"{_WNIDS} has {len(listed)} classes, {TINY} has {_CLASS_COUNT}")
    same = sum(one == other for one, other in zip(listed, sorted(listed), strict=True))
    notes.append(
        f"labels are positions among the sorted wnids; {_WNIDS} has another order, in which "
        f"{same} of {len(listed)} classes have the same label: for a model of that order, give "
        f"{_WNIDS} as the label space"
    )
    return notes
