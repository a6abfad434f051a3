"""Shards that are done, wherever and by whomever they were written: what a dataset is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imnet_data.conversion import journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from imnet_data.dataset.description import Options, Order
    from imnet_data.dataset.manifest import Entry
    from imnet_data.formats import Format


class ShardJob(NamedTuple):
    """One shard to be written."""

    split: str
    number: int


class SplitOutline(NamedTuple):
    """What is known of a split before it is written, except its records."""

    order: Order
    shard_count: int
    listing_sha256: str  # of keys, wnids and sizes in stored order


class Written(NamedTuple):
    """Shards that are done, and where what describes them is put."""

    format: Format
    options: Options
    splits: Mapping[str, SplitOutline]
    stage: Path  # contains one folder per split
    journals: Path
    version: int  # of the dataset
    name: str  # likewise

    def jobs(self) -> list[ShardJob]:
        """Return all shards, split by split."""
        return jobs(self.splits)

    def journal(self, job: ShardJob) -> Path:
        """Return the path of the journal of `job`, which exists once the shard is done."""
        return journal_path(self.journals, job)

    def entries(self, split: str, numbers: Iterable[int]) -> Iterator[Entry]:
        """Yield the manifest lines of some shards."""
        for number in numbers:
            yield from journal.entries(self.journal(ShardJob(split, number)))


def jobs(splits: Mapping[str, SplitOutline]) -> list[ShardJob]:
    """Return all shards, split by split."""
    return [
        ShardJob(split, number)
        for split, outline in splits.items()
        for number in range(outline.shard_count)
    ]


def journal_path(folder: Path, job: ShardJob) -> Path:
    """Return where in `folder` the journal of a shard is."""
    return folder / f"{job.split}-{job.number:06d}.json"
