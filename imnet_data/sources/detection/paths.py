"""What the path of a file of DET or VID says: its task, split and key.

    Data/DET/train/ILSVRC2013_train/n02085620/n02085620_10.JPEG        key n02085620_10
    Data/DET/val/ILSVRC2012_val_00000001.JPEG                          key ILSVRC2012_val_00000001
    Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000007.JPEG
                                                       key ILSVRC2015_train_00000000_000007

The name decides, and in VID the folder of the snippet; other folders differ from year to year. The
folder of an image of DET may be of a breed, which is no class.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imnet_data.imagenet.detection import DET, VID
from imnet_data.sources.names import Named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAME_DIGITS = 6
_IMAGE = re.compile(r"n\d{8}_\d+|ILSVRC20\d\d_(?P<split>train|val|test)_\d{8}", re.ASCII)
_SNIPPET = re.compile(r"ILSVRC20\d\d_(?P<split>train|val|test)_\d{8}", re.ASCII)
_FRAME = re.compile(rf"\d{{{FRAME_DIGITS}}}", re.ASCII)
_FOLDERS = {DET: "DET", VID: "VID"}


def parse(task: str, path: str) -> Named | None:
    """Return split and key of an image or of its boxes, by its path; None if it is none."""
    folder, _, file = path.rpartition("/")
    stem = file.rpartition(".")[0]
    if task == DET:
        match = _IMAGE.fullmatch(stem)
        return Named(match["split"] or "train", stem, "") if match else None
    snippet = folder.rpartition("/")[2]
    match = _SNIPPET.fullmatch(snippet)
    if match is None or not _FRAME.fullmatch(stem):
        return None
    return Named(match["split"], frame_key(snippet, int(stem)), "")


def frame_key(snippet: str, frame: int) -> str:
    """Return the key of a frame of VID."""
    return f"{snippet}_{frame:0{FRAME_DIGITS}d}"


def snippet_and_frame(key: str) -> tuple[str, int]:
    """Return what the key of a frame of VID is made of."""
    snippet, _, frame = key.rpartition("_")
    return snippet, int(frame)


def snippets_of(keys: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """Return the snippet of each key of a frame of VID."""
    return keys.astype(f"S{max(1, keys.itemsize - FRAME_DIGITS - 1)}")


def task_of(path: str) -> str:
    """Return the task that the folders of a path name; or ""."""
    folders = path.split("/")[:-1]
    return next((task for task, name in _FOLDERS.items() if name in folders), "")


def key_of_listed(task: str, listed: bytes) -> bytes:
    """Return the key of an image as an image set lists it; of a snippet of VID, its name."""
    above, _, name = listed.rpartition(b"/")
    if task == VID and len(name) == FRAME_DIGITS:
        return above.rpartition(b"/")[2] + b"_" + name
    return name
