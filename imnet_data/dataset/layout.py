"""Which files a dataset has, and the bytes of the small ones.

Conversion writes them, verification holds them against the description; both ask here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from imnet_data.errors import REPAIR, ManifestError, SplitError
from imnet_data.formats import ShardSummary
from imnet_data.imagenet import labels
from imnet_data.machine.open_file import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.dataset.description import SplitDescription

SUMS = "SHA256SUMS"
LABELS = "labels.tsv"
# as sha256sum writes and reads it; a name is of a file below the dataset
_SUM = re.compile(r"([0-9a-f]{64})  ([^/\0](?:[^\0]*[^/\0])?)")


def read_sums(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and sha256 of each line of SHA256SUMS.

    Raises:
        ManifestError: at the first line that is none, or if the file cannot be read.
    """
    try:
        with os.fdopen(plain(path), encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                matched = _SUM.fullmatch(line.removesuffix("\n"))
                if matched is None or ".." in matched[2].split("/"):
                    raise ManifestError(
                        f"{path}: line {number} is not a sha256 and the name of a file; {REPAIR}"
                    )
                yield matched[2], matched[1]
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); {REPAIR}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: is no text ({error}); {REPAIR}") from error


def require_split(where: object, split: str, splits: Iterable[str]) -> None:
    """Raise a SplitError if `split` is not one of `splits`, which are at `where`."""
    known = tuple(splits)
    if split not in known:
        raise SplitError(f"{where}: no split {split!r}; there are {', '.join(known)}")


def summaries(split: SplitDescription) -> list[ShardSummary]:
    """Return what side files say of the shards of a split."""
    return [ShardSummary(shard.name, shard.record_count, shard.nbytes) for shard in split.shards]


def labels_tsv(classes: Sequence[str]) -> bytes:
    """Return labels.tsv: index, wnid and words of each class."""
    words = labels.words_of()
    rows = (f"{label}\t{wnid}\t{words.get(wnid, '')}\n" for label, wnid in enumerate(classes))
    return ("index\twnid\twords\n" + "".join(rows)).encode()
