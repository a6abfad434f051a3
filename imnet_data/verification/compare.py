"""Compares the records of two datasets, whatever their formats, by their manifests.

Verify both first: then what the manifests say is what the shards hold.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.dataset import description, manifest
from imnet_data.machine.progress import Step, no_progress
from imnet_data.verification.shard import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.manifest import Entry
    from imnet_data.machine.progress import Progress

_IDENTITY = ("wnid", "width", "height", "sha256", "boxes", "scene")


def compare(root: StrPath, other: StrPath, *, progress: Progress = no_progress) -> list[Difference]:
    """Return the differences between the records of two datasets, and between their orders.

    Args:
        root: the folder of a dataset.
        other: the folder of the other one.
        progress: called before each split.

    Raises:
        ManifestError: if one of them is damaged.
    """
    paths = arguments.path("root", root), arguments.path("other", other)
    return list(_compare(*paths, progress))


def _compare(root: Path, other: Path, progress: Progress) -> Iterator[Difference]:
    here, there = description.read(root), description.read(other)
    splits = dict.fromkeys((*here.splits, *there.splits))
    for number, split in enumerate(splits):
        progress(Step(f"compare {split}", number, len(splits)))
        if split not in there.splits or split not in here.splits:
            which = other if split not in there.splits else root
            yield Difference(split, f"is not in {which}")
        elif here.splits[split].digest != there.splits[split].digest:
            yield from _compare_split(root, other, split)


def _compare_split(root: Path, other: Path, split: str) -> Iterator[Difference]:
    file = f"{split}/{manifest.FILE_NAME}"
    here, there = (
        {entry.key: entry for entry in manifest.read(base / file)} for base in (root, other)
    )
    for key in sorted(here.keys() - there.keys()):
        yield Difference(file, f"is not in {other}", key)
    for key in sorted(there.keys() - here.keys()):
        yield Difference(file, f"is in {other} only", key)
    common = [key for key in here if key in there]
    for key in common:
        differing = _differing(here[key], there[key])
        if differing:
            yield Difference(file, f"{' and '.join(differing)} differ in {other}", key)
    for mine, yours in zip_longest(common, (key for key in there if key in here)):
        if mine != yours:
            yield Difference(file, f"from here on the order differs in {other}", mine)
            break


def _differing(here: Entry, there: Entry) -> list[str]:
    return [name for name in _IDENTITY if getattr(here, name) != getattr(there, name)]
