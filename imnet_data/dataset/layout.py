"""Which files a dataset has, and the bytes of the small ones.

Conversion writes them, verification holds them against the description; both ask here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.dataset.description import SplitDescription

from typing import TYPE_CHECKING

from imnet_data.formats import ShardSummary
from imnet_data.imagenet import labels

if TYPE_CHECKING:
    from collections.abc import Sequence


def summaries(split: SplitDescription) -> list[ShardSummary]:
    """Return what side files say of the shards of a split."""
    return [ShardSummary(shard.name, shard.record_count, shard.nbytes) for shard in split.shards]


def labels_tsv(classes: Sequence[str]) -> bytes:
    """Return labels.tsv: index, wnid and words of each class."""
    words = labels.words_of()
    rows = (f"{label}\t{wnid}\t{words.get(wnid, '')}\n" for label, wnid in enumerate(classes))
    return ("index\twnid\twords\n" + "".join(rows)).encode()


SUMS = "SHA256SUMS"


LABELS = "labels.tsv"
