"""What the path of an image says: its split, key and wnid.

    train/n01440764/n01440764_10026.JPEG          extracted; Kaggle's in ILSVRC/Data/CLS-LOC/
    n01440764/n01440764_10026.JPEG                official, the inner archive as a folder
    n01440764_10026_n01440764.JPEG                Hugging Face: the wnid once more
    ILSVRC2012_val_00000293.JPEG                  official
    val/n01440764/ILSVRC2012_val_00000293.JPEG    sorted into folders
    ILSVRC2012_val_00000293_n01440764.JPEG        Hugging Face
    ILSVRC2012_test_00000001.JPEG                 official

A folder `train`, `val` or `test` decides the split and lets images have any name (subsets of
ImageNet mix its splits); elsewhere the name decides, and must be one of these. All wnids in a
path must be the same.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid

SPLITS = ("train", "val", "test")
IMAGE_SUFFIXES = frozenset({"JPEG", "jpeg", "JPG", "jpg"})

_STEM = re.compile(
    r"(?P<key>(?P<wnid>n\d{8})_\d+|ILSVRC2012_(?P<split>val|test)_\d{8})(?:_(?P<again>n\d{8}))?",
    re.ASCII,
)
_KEY = re.compile(r"[!-\-0-~]+")  # printable ASCII but space, dot and slash


class Named(NamedTuple):
    """An image as its path tells it."""

    split: str
    key: str
    wnid: str  # "" where the path does not tell


def parse(path: str) -> Named:
    """Return what `path` says; its suffix is not looked at.

    Raises:
        SourceError: if it is not one of the forms above; the text does not name the archive.
    """
    folder, _, file = path.rpartition("/")
    folder_split, folder_wnid = _parse_folder(folder)
    stem = file.rpartition(".")[0]
    match = _STEM.fullmatch(stem)
    if match is None:
        return _parse_free(path, stem, split=folder_split, wnid=folder_wnid)
    key, named_wnid, named_split, again = match.groups()
    wnid = folder_wnid or named_wnid or again or ""
    if (named_wnid or wnid) != wnid or (again or wnid) != wnid:
        raise SourceError(f"{path!r} names two classes; put it where it belongs or take it out")
    return Named(folder_split or named_split or "train", key, wnid)


@functools.lru_cache(maxsize=4096)
def _parse_folder(folder: str) -> tuple[str, str]:
    """Return (split, wnid) of a folder, each "" where it does not tell."""
    parts = folder.split("/")
    split_at = max((at for at, part in enumerate(parts) if part in SPLITS), default=-1)
    inside = parts[split_at + 1 :]
    if split_at >= 0 and inside and not (len(inside) == 1 and is_wnid(inside[0])):
        raise SourceError(
            f"folder {folder!r} is not the wnid of a class; images lie in `SPLIT/<wnid>/`"
        )
    wnid = parts[-1] if is_wnid(parts[-1]) else ""
    return (parts[split_at] if split_at >= 0 else ""), wnid


def _parse_free(path: str, stem: str, *, split: str, wnid: str) -> Named:
    if not split or (split == "train" and not wnid):
        raise SourceError(
            f"{path!r} is no name of an ImageNet image, as `<wnid>_<n>.JPEG` or "
            "`ILSVRC2012_val_<8 digits>.JPEG`; images of other names lie in `SPLIT/<wnid>/`"
        )
    if not _KEY.fullmatch(stem):
        raise SourceError(
            f"{path!r} cannot be a key: only printable ASCII without space and dot; rename it"
        )
    return Named(split, stem, wnid)
