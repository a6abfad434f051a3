"""Which frames of VID, or images of DET, a conversion takes.

    every N     the frames 0, N, 2 N ... of each snippet
    list FILE   those that a list names, in one of these forms of the FGFA authors:

        train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1 10 300     frame 10 of 300
        val/ILSVRC2015_val_00000000 1 0 464        third number 0 in all lines: the whole snippet
        val/ILSVRC2015_val_00000000/000000 1                                   a frame
        train/ILSVRC2013_train/n02691156/n02691156_10013 1                     an image of DET

Source: msracver/Flow-Guided-Feature-Aggregation, lib/dataset/imagenet_vid.py; its frame numbers are
those of the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import ConvertError
from imnet_data.imagenet.detection import TASKS, VID
from imnet_data.machine.files import read_small
from imnet_data.sources.detection.paths import frame_key, key_of_listed, snippets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check", "chosen", "snippets_of"]

_EVERY = "every"
_WORDS_OF_FRAME = 4


def check(frames: tuple[str, str] | None, name: str) -> None:
    """Refuse a choice of frames where there are none.

    Raises:
        ConvertError: if the dataset called `name` is not VID, or DET with a list.
    """
    if frames is None or name == VID or (name in TASKS and frames[0] != _EVERY):
        return
    raise ConvertError(f"{name}: has no frames to choose; leave out --frames")


def chosen(keys: NDArray[np.bytes_], frames: tuple[str, str], split: str) -> NDArray[np.int64]:
    """Return the positions of the keys of a split that are taken.

    Raises:
        ConvertError: if the list cannot be read, or names images of the split that are not there.
    """
    kind, value = frames
    if kind == _EVERY:
        numbers = np.array([int(key.rpartition(b"_")[2]) for key in keys.tolist()], np.int64)
        return np.flatnonzero(numbers % int(value) == 0)
    listed, whole = _listed(Path(value))
    names = snippets_of(keys) if whole else keys
    missing = {name for name, its in listed.items() if its in ("", split)} - set(names.tolist())
    if missing:
        raise ConvertError(
            f"{value}: names {len(missing):,} images of {split} that are not in the source, such "
            f"as {min(missing).decode()}; pass the whole source, or another list"
        )
    rows = np.flatnonzero(np.isin(names, np.array([*listed])))
    if not len(rows):
        raise ConvertError(
            f"{value}: names no image of {split}; add --split NAME for the split that it is of"
        )
    return rows


def _listed(path: Path) -> tuple[dict[bytes, str], bool]:
    """Return the keys that a list names, and their splits; and whether they are snippets."""
    try:
        rows = [line.split() for line in read_small(path).splitlines() if line.strip()]
    except OSError as error:
        raise ConvertError(f"{path}: cannot be read ({error.strerror}); name a list") from error
    if not rows:
        raise ConvertError(f"{path}: is empty; name a list of frames")
    try:
        if any(len(row) not in (2, _WORDS_OF_FRAME) for row in rows):
            raise ValueError("a line does not have two or four words")
        of_frames = len(rows[0]) == _WORDS_OF_FRAME
        whole = of_frames and all(int(row[2]) == 0 for row in rows)
        return {_key(row, whole=whole): _split(row[0]) for row in rows}, whole
    except (ValueError, IndexError) as error:
        raise ConvertError(
            f"{path}: is not a list of frames ({error}); see `imnet-data convert --help`"
        ) from error


def _key(row: list[bytes], *, whole: bool) -> bytes:
    name = row[0].rpartition(b"/")[2]
    if len(row) == _WORDS_OF_FRAME:
        return name if whole else frame_key(name.decode(), int(row[2])).encode()
    return key_of_listed(VID, row[0])


def _split(path: bytes) -> str:
    first = path.partition(b"/")[0].decode()
    return first if first in ("train", "val", "test") else ""
