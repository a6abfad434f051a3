"""Compares the records of two datasets, whatever their formats, by their manifests.

Verify both first: then what the manifests say is what the shards hold.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments
from imnet_data.dataset import description, manifest
from imnet_data.dataset.layout import SUMS
from imnet_data.dataset.mirror import mirror
from imnet_data.machine.progress import Step, no_progress
from imnet_data.storage import address
from imnet_data.verification.shard import Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.manifest import Entry
    from imnet_data.machine.progress import Progress

_IDENTITY = ("wnid", "width", "height", "sha256", "boxes", "scene")


def compare(root: StrPath, other: StrPath, *, progress: Progress = no_progress) -> list[Difference]:
    """Return the differences between the records of two datasets, and between their orders.

    Args:
        root: the folder of a dataset, or its URL.
        other: the folder of the other one, likewise.
        progress: called before each split.

    Raises:
        ManifestError: if one of them is damaged.
        StorageError: if it cannot be had from its store.
    """
    with _described("root", root) as here, _described("other", other) as there:
        return list(_compare(here, there, progress))


class _Described(NamedTuple):
    """A dataset, and what brings its files from a store."""

    name: str
    root: Path
    bring: Callable[[list[str]], None]


@contextmanager
def _described(name: str, place: StrPath) -> Iterator[_Described]:
    if not address.is_url(place):
        root = arguments.path(name, place)
        yield _Described(str(root), root, lambda names: None)
        return
    with mirror(str(place)) as brought:
        brought.bring([SUMS, description.FILE_NAME])
        yield _Described(brought.name, brought.root, brought.bring)


def _compare(root: _Described, other: _Described, progress: Progress) -> Iterator[Difference]:
    here, there = description.read(root.root), description.read(other.root)
    splits = dict.fromkeys((*here.splits, *there.splits))
    for number, split in enumerate(splits):
        progress(Step(f"compare {split}", number, len(splits)))
        if split not in there.splits or split not in here.splits:
            which = other if split not in there.splits else root
            yield Difference(split, f"is not in {which.name}")
        elif here.splits[split].digest != there.splits[split].digest:
            yield from _compare_split(root, other, split)


def _compare_split(root: _Described, other: _Described, split: str) -> Iterator[Difference]:
    file = f"{split}/{manifest.FILE_NAME}"
    for each in (root, other):
        each.bring([file])
    here, there = (
        {entry.key: entry for entry in manifest.read(each.root / file)} for each in (root, other)
    )
    for key in sorted(here.keys() - there.keys()):
        yield Difference(file, f"is not in {other.name}", key)
    for key in sorted(there.keys() - here.keys()):
        yield Difference(file, f"is in {other.name} only", key)
    common = [key for key in here if key in there]
    for key in common:
        differing = _differing(here[key], there[key])
        if differing:
            yield Difference(file, f"{' and '.join(differing)} differ in {other.name}", key)
    for mine, yours in zip_longest(common, (key for key in there if key in here)):
        if mine != yours:
            yield Difference(file, f"from here on the order differs in {other.name}", mine)
            break


def _differing(here: Entry, there: Entry) -> list[str]:
    return [name for name in _IDENTITY if getattr(here, name) != getattr(there, name)]
