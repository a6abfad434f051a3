"""Which files a dataset must have: each has its line in SHA256SUMS, and there are no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.dataset import beside, layout
from imnet_data.dataset.layout import SUMS
from imnet_data.formats import get
from imnet_data.verification import strays
from imnet_data.verification.shard import Difference
from imnet_data.verification.witness import Sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.dataset.description import Description
    from imnet_data.verification.expected import Expectation
    from imnet_data.verification.shard import Checking


def read_sums(root: Path, about: Description) -> tuple[dict[str, str], list[Difference]]:
    """Return the lines of SHA256SUMS that can be read, and what is wrong with it."""
    sums = Sums(root)
    missing = [file for file in layout.files(about) if file not in sums.lines]
    faults = (*sums.faults, *(f"has no line for {file}" for file in missing))
    return sums.lines, [Difference(SUMS, fault) for fault in faults]


def check(checking: Checking) -> Iterator[Difference]:
    """Yield the files that do not belong to the dataset, and the lines of SHA256SUMS for none."""
    files = {*layout.files(checking.about), *without_manifest(checking)}
    files |= beside.ours(checking.location.root)
    for split, expected in checking.expected.items():
        files.update(_of_records(checking.about, split, expected))
    yield from strays.find(checking.location, files, unknown=_unlisted(checking))
    for file in checking.sums:
        if file not in files:
            yield Difference(SUMS, f"has a line for {file}, which the dataset does not have")


def _of_records(about: Description, split: str, expected: Expectation) -> Iterator[str]:
    """Yield the files of single records, where the format has them."""
    record_file = get(about.format).record_file
    if record_file is None:
        return
    wnids = (*about.classes, "")  # label -1 is the last
    columns = expected.columns
    for key, label in zip(columns.key.tolist(), columns.label.tolist(), strict=True):
        yield f"{split}/{record_file(wnids[label], key.decode())}"


def without_manifest(checking: Checking) -> Iterator[str]:
    """Yield the files of single records that SHA256SUMS alone knows: the manifest is damaged."""
    plain = {*layout.files(checking.about)}
    folders = tuple(f"{split}/" for split in _unlisted(checking))
    yield from (file for file in checking.sums if file.startswith(folders) and file not in plain)


def _unlisted(checking: Checking) -> list[str]:
    """Return the splits of files of single records of which there is no manifest to list them."""
    if get(checking.about.format).record_file is None:
        return []
    return [split for split in checking.about.splits if split not in checking.expected]


def without_records(
    about: Description, split: str, expected: Expectation, sums: dict[str, str]
) -> Iterator[Difference]:
    """Remove the files of single records from the sums: they are hashed as records."""
    if get(about.format).record_file is None:
        return
    names = _of_records(about, split, expected)
    keys, hashes = expected.columns.key.tolist(), expected.stored_sha256
    for file, key, sha256 in zip(names, keys, hashes, strict=True):
        if sums.pop(file, None) != sha256.tobytes().hex():
            yield Difference(SUMS, "does not match its hash in the manifest", key.decode())
