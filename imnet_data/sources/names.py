"""What the path of an image says: its split, key and wnid.

    train/n01440764/n01440764_10026.JPEG          extracted; Kaggle's in ILSVRC/Data/CLS-LOC/
    n01440764/n01440764_10026.JPEG                official, the inner archive as a folder
    n01440764_10026_n01440764.JPEG                Hugging Face: the wnid once more
    ILSVRC2012_val_00000293.JPEG                  official
    val/n01440764/ILSVRC2012_val_00000293.JPEG    sorted into folders
    ILSVRC2012_val_00000293_n01440764.JPEG        Hugging Face
    ILSVRC2012_test_00000001.JPEG                 official

A folder that is called as a split (see `split_names`) decides the split and lets images have any
name (subsets of ImageNet mix its splits); elsewhere the name decides, and must be one of these.
All splits in a path must be the same, and all wnids. Folders above the split, or above the class
where no split is named, say nothing: so all images of one container must have the same of them.

A key cannot have a space, a dot, a slash, a `%` or anything but ASCII. Such characters of a name
are written as `%` and two hexadecimal digits, byte by byte, as in a URL: `unquote` gives the name.
Where two classes have a file of the same name, the keys of both are those of `<wnid>/<name>`.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple
from urllib.parse import quote

from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.imagenet.split_names import known_names, split_of

IMAGE_SUFFIXES = frozenset(
    {"jpeg", "jpg", "jpe", "jfif", "png", "gif", "bmp", "webp", "tif", "tiff"}
)
KEY_OF_CLASS = b"%2F"  # between wnid and name, where two classes have a file of one name
MAX_KEY_NBYTES = 240  # with a class before it and a suffix, what file systems hold as a name

_STEM = re.compile(
    r"(?P<key>(?P<wnid>n\d{8})_\d+|ILSVRC2012_(?P<split>val|test)_\d{8})(?:_(?P<again>n\d{8}))?",
    re.ASCII,
)
_KEY = re.compile(r"[!-$&-\-0-~]+")  # visible ASCII but %, dot and slash
_SPLIT = "SPLIT"
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%./")


class Named(NamedTuple):
    """An image as its path describes it."""

    split: str
    key: str
    wnid: str  # "" where the path does not show it
    root: str = ""  # the folders that say nothing, then "SPLIT" if one names the split


class _Folder(NamedTuple):
    split: str  # "" where it does not show it
    wnid: str  # likewise
    root: str


def parse(path: str, *, promised: str = "") -> Named:
    """Return what `path` says; its suffix is not looked at.

    Args:
        path: below the container.
        promised: the split that the name of the archive promises; "" where it does not.

    Raises:
        SourceError: if it is not one of the forms above; the text does not name the archive.
    """
    folder, _, file = path.rpartition("/")
    above = _parse_folder(folder)
    if promised and above.split not in ("", promised):
        raise SourceError(
            f"{path!r} is of {above.split} by its folder, in an archive that is called as "
            f"{promised}; rename the archive"
        )
    split = above.split or promised
    stem = file.rpartition(".")[0] or file
    match = _STEM.fullmatch(stem)
    if match is None:
        return _parse_free(path, stem, split=split, above=above)
    key, named_wnid, named_split, again = match.groups()
    wnid = above.wnid or named_wnid or again or ""
    if (named_wnid or wnid) != wnid or (again or wnid) != wnid:
        raise SourceError(f"{path!r} names two classes; put it where it belongs or remove it")
    return Named(split or named_split or "train", key, wnid, above.root)


@functools.lru_cache(maxsize=4096)
def _parse_folder(folder: str) -> _Folder:
    """Return what the folders of a path say.

    Raises:
        SourceError: if they name two splits, or one between a split and the class says nothing.
    """
    parts = folder.split("/")
    wnid = parts.pop() if is_wnid(parts[-1]) else ""
    named = [split_of(part) for part in parts]
    at = [number for number, split in enumerate(named) if split]
    if not at:
        return _Folder("", wnid, "/".join(parts))
    if len(splits := {named[number] for number in at}) > 1:
        raise SourceError(
            f"folder {folder!r} names the splits {' and '.join(sorted(splits))}; "
            f"images belong in `SPLIT/<wnid>/` (known are {known_names()})"
        )
    if any(not split for split in named[at[0] :]):
        raise SourceError(
            f"folder {folder!r} is not the wnid of a class; images belong in `SPLIT/<wnid>/`"
        )
    return _Folder(named[at[0]], wnid, "/".join([*parts[: at[0]], _SPLIT]))


def _parse_free(path: str, stem: str, *, split: str, above: _Folder) -> Named:
    if not split or (split != "val" and split != "test" and not above.wnid):
        raise SourceError(
            f"{path!r} is not the name of an ImageNet image, such as `<wnid>_<n>.JPEG` or "
            "`ILSVRC2012_val_<8 digits>.JPEG`; images of other names belong in `SPLIT/<wnid>/`"
        )
    return Named(split, key_of(stem, path=path), above.wnid, above.root)


def key_of(name: str, *, path: str) -> str:
    """Return the key for a file called `name`, without its suffix.

    Raises:
        SourceError: if it is too long; the text names `path`.
    """
    key = name
    if not _KEY.fullmatch(name):
        key = quote(name, safe=_SAFE, errors="surrogateescape").replace(".", "%2E")
    if len(key) > MAX_KEY_NBYTES:
        raise SourceError(
            f"{path[:80]!r} has {len(path)} characters, and makes a key of {len(key)} bytes; "
            f"{MAX_KEY_NBYTES} are the most: rename it"
        )
    return key
