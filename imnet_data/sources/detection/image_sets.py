"""The image sets of DET and VID: which classes an image is known to have, and numbers for scoring.

    ImageSets/DET/train_<class>.txt          image, and 1, 0 or -1       (2015 and later)
    det_lists/train_{pos,part,neg}_<class>.txt   image                   (2013 and 2014: 1, 0, -1)
    ImageSets/VID/train_<class>.txt          snippet, and 1
    {val,test}.txt                           image, and its number in submissions
    ILSVRC<year>_det_validation_blacklist.txt    number in val.txt, and a wnid

A class that no list names for an image is unknown there: it is neither present nor absent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.imagenet.detection import VID, categories, wnids
from imnet_data.sources.detection.paths import key_of_listed, snippets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_NBYTES = 1 << 28
_LIST = re.compile(
    r"(?:DET|VID|det_lists)/(?:train_(?:(?P<kind>pos|part|neg)_)?(?P<number>\d+)"
    r"|(?P<split>val|test))\.txt",
    re.ASCII,
)
_BLACKLIST = re.compile(r"ILSVRC20\d\d_det_validation_blacklist\.txt", re.ASCII)
_VALUES = {"pos": 1, "part": 0, "neg": -1}
_LABELS = {b"1": 1, b"0": 0, b"-1": -1}


class Known(NamedTuple):
    """What the lists say of the records of a split."""

    rows: NDArray[np.int64]  # [records]: the image of DET, or the snippet of VID, of each
    starts: NDArray[np.int64]  # [rows + 1]: where each row's labels begin
    classes: NDArray[np.uint8]  # positions in the class list
    values: NDArray[np.int8]  # 1, 0 or -1
    numbers: NDArray[np.int64]  # [records]; 0 where there is none
    ignored: dict[int, tuple[str, ...]]  # number -> wnids

    def labels(self, index: int, task: str) -> tuple[tuple[str, int], ...]:
        """Return what is known of the classes of a record, sorted by wnid."""
        row = self.rows[index]
        part = slice(self.starts[row], self.starts[row + 1])
        names = wnids(task)
        pairs = zip(self.classes[part].tolist(), self.values[part].tolist(), strict=True)
        return tuple(sorted((names[at], value) for at, value in pairs))


class ImageSets:
    """The lists that were found; `take` each, then ask for the records of a split."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._labels: list[tuple[NDArray[np.bytes_], int, NDArray[np.int8]]] = []
        self._numbers: dict[str, dict[bytes, int]] = {}
        self._ignored: dict[int, list[str]] = {}
        self.count = 0  # files

    def is_one(self, path: str) -> bool:
        """Return whether a file is called as an image set or a blacklist."""
        folder, _, file = path.rpartition("/")
        return bool(
            _LIST.fullmatch(f"{folder.rpartition('/')[2]}/{file}") or _BLACKLIST.fullmatch(file)
        )

    def take(self, path: str, content: bytes, *, where: str) -> None:
        """Take a list.

        Raises:
            SourceError: if it is damaged.
        """
        folder, _, file = path.rpartition("/")
        match = _LIST.fullmatch(f"{folder.rpartition('/')[2]}/{file}")
        self.count += 1
        try:
            if match is None:
                self._take_blacklist(content)
            elif match["split"]:
                self._take_numbers(match["split"], content)
            else:
                self._take_labels(int(match["number"]), match["kind"], content)
        except (ValueError, KeyError) as error:
            raise SourceError(
                f"{where}, {path}: is not a list of images ({error}); download it again"
            ) from error

    def _take_labels(self, number: int, kind: str | None, content: bytes) -> None:
        wnid = {each.number: each.wnid for each in categories(self._task)}[number]
        names, seconds = _columns(content)
        if kind is None and len(names) != len(seconds):
            raise ValueError("a line has no 1, 0 or -1")
        if kind is None:
            values = [_LABELS[text] for text in seconds]
        else:
            values = [_VALUES[kind]] * len(names)
        keys = [key_of_listed(self._task, name) for name in names]
        if keys:
            at = wnids(self._task).index(wnid)
            self._labels.append((np.array(keys), at, np.array(values, np.int8)))

    def _take_numbers(self, split: str, content: bytes) -> None:
        names, seconds = _columns(content)
        keys = (key_of_listed(self._task, name) for name in names)
        found = dict(zip(keys, map(int, seconds), strict=True))
        if split in self._numbers and self._numbers[split] != found:
            raise ValueError(f"there is another {split}.txt; pass one")
        self._numbers[split] = found

    def _take_blacklist(self, content: bytes) -> None:
        for number, wnid in zip(*_columns(content), strict=True):
            if wnid.decode() not in wnids(self._task):
                raise ValueError(f"{wnid[:20]!r} is no class")
            self._ignored.setdefault(int(number), []).append(wnid.decode())

    def known(self, split: str, keys: NDArray[np.bytes_]) -> tuple[Known, int]:
        """Return what is said of some sorted keys, and of how many images that are not there."""
        numbers = self._numbers.get(split, {})
        of_keys = np.array([numbers.get(key, 0) for key in keys.tolist()], np.int64)
        missing = len(numbers) - int(np.count_nonzero(of_keys))
        names, rows = keys, np.arange(len(keys))
        if self._task == VID:  # its lists of classes are of snippets
            names, rows = np.unique(snippets_of(keys), return_inverse=True)
        labels, strange = self._of(names if split == "train" else names[:0])
        missing += strange if split == "train" else 0
        starts = np.searchsorted(labels.row, np.arange(len(names) + 1))
        ignored = self._ignored if split == "val" else {}
        told = {number: tuple(sorted(found)) for number, found in ignored.items()}
        return Known(rows, starts, labels.at, labels.value, of_keys, told), missing

    def _of(self, names: NDArray[np.bytes_]) -> tuple[_Labels, int]:
        """Return the labels of sorted names, by row, and how many other images have some."""
        found, missing = [_NOTHING], set[bytes]()
        for listed, at, values in self._labels if len(names) else ():
            place = np.minimum(np.searchsorted(names, listed), len(names) - 1)
            there = names[place] == listed
            missing.update(listed[~there].tolist())
            of_class = np.full(int(there.sum()), at, np.uint8)
            found.append(_Labels(place[there], of_class, values[there]))
        columns = _Labels(*map(np.concatenate, zip(*found, strict=True)))
        order = np.argsort(columns.row, kind="stable")
        sorted_by_row = _Labels(columns.row[order], columns.at[order], columns.value[order])
        return sorted_by_row, len(missing)


class _Labels(NamedTuple):
    row: NDArray[np.int64]
    at: NDArray[np.uint8]  # position in the class list
    value: NDArray[np.int8]


_NOTHING = _Labels(np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int8))


def _columns(content: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the first and the second word of each line; no second words where there are none."""
    words = content.split()
    if len(words) == len(content.splitlines()):
        return words, []
    if len(words) % 2 or len(words) != 2 * len(content.splitlines()):
        raise ValueError("a line does not have one or two words")
    return words[::2], words[1::2]
