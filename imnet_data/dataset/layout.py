"""Which files a dataset has, and the bytes of the small ones.

Conversion writes them, verification holds them against the description; both ask here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from imnet_data.dataset import description, index_file, manifest
from imnet_data.errors import REPAIR, ManifestError, SplitError
from imnet_data.formats import ShardSummary, get
from imnet_data.imagenet import detection, labels, split_names
from imnet_data.imagenet.detection import TASKS
from imnet_data.machine.open_file import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.dataset.description import Description, SplitDescription

SUMS = "SHA256SUMS"
LABELS = "labels.tsv"
COCO = "annotations.coco.json"  # of each split of DET and VID
# as sha256sum writes and reads it; a name is of a file below the dataset
_SUM = re.compile(r"([0-9a-f]{64})  ([^/\0](?:[^\0]*[^/\0])?)")


def parse_sum(line: str) -> tuple[str, str] | None:
    """Return name and sha256 of a line of SHA256SUMS, without its line feed; None if it is none."""
    matched = _SUM.fullmatch(line)
    if matched is None or ".." in matched[2].split("/"):
        return None
    return matched[2], matched[1]


def read_sums(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and sha256 of each line of SHA256SUMS.

    Raises:
        ManifestError: at the first line that is none, or if the file cannot be read.
    """
    try:
        with os.fdopen(plain(path), encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                parsed = parse_sum(line.removesuffix("\n"))
                if parsed is None:
                    raise ManifestError(
                        f"{path}: line {number} is not a sha256 and the name of a file; {REPAIR}"
                    )
                yield parsed
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); {REPAIR}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: is not text ({error}); {REPAIR}") from error


def require_split(where: object, split: str, splits: Iterable[str]) -> str:
    """Return the one of `splits`, which are at `where`, that `split` is a name of.

    Raises:
        SplitError: if it is a name of none of them.
    """
    known = tuple(splits)
    found = split_names.among(split, known)
    if found not in known:
        raise SplitError(f"{where}: no split {split!r}; there are {', '.join(known)}")
    return found


def files(about: Description) -> list[str]:
    """Return the files of a dataset in the order of SHA256SUMS, except those of single records."""
    in_splits = [file for split in about.splits for file in split_files(about, split)]
    return [*in_splits, description.FILE_NAME, LABELS]


def split_files(about: Description, split: str) -> list[str]:
    """Return the files of one split in the order of SHA256SUMS, likewise."""
    return [f"{split}/{name}" for name in _names(about, split)]


def describing(about: Description) -> list[str]:
    """Return the files that say what is in the others, but for dataset.json."""
    in_splits = [f"{split}/{name}" for split in about.splits for name in _describing(about, split)]
    return [*in_splits, LABELS]


def _names(about: Description, split: str) -> Iterator[str]:
    module, said = get(about.format), about.splits[split]
    for shard in said.shards if module.record_file is None else ():
        yield shard.name
        stem = shard.name.partition(".")[0]
        yield from (f"{stem}{suffix}" for suffix in module.SIDE_SUFFIXES)
    yield from _describing(about, split)


def _describing(about: Description, split: str) -> Iterator[str]:
    yield from get(about.format).split_side_files(split, summaries(about.splits[split]))
    yield from (manifest.FILE_NAME, index_file.FILE_NAME)
    if about.name in TASKS:
        yield COCO


def summaries(split: SplitDescription) -> list[ShardSummary]:
    """Return what side files say of the shards of a split."""
    return [ShardSummary(shard.name, shard.record_count, shard.nbytes) for shard in split.shards]


def labels_tsv(classes: Sequence[str]) -> bytes:
    """Return labels.tsv: index, wnid and words of each class."""
    words = labels.words_of()
    if tuple(classes) in map(detection.wnids, TASKS):
        words = detection.names()
    rows = (f"{label}\t{wnid}\t{words.get(wnid, '')}\n" for label, wnid in enumerate(classes))
    return ("index\twnid\twords\n" + "".join(rows)).encode()
