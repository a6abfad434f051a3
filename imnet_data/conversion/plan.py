"""What a conversion will write, made before anything is: which records, in which order, cut where.

Whatever the source's own order, records are first sorted by key, so that tarballs and any dataset
made from them give the same plan.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data import rng
from imnet_data.errors import LabelError, SourceError
from imnet_data.imagenet import labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from imnet_data.dataset.description import Options, Order
    from imnet_data.record import Listing, Records
    from imnet_data.sources import Source

# about what a format adds to an image, for shards and free space to be planned with; it decides
# where shards are cut, so it is the same for all formats and does not change
OVERHEAD_NBYTES = 2048

DEFAULT_SHARD_NBYTES = 256 << 20


class SplitPlan(NamedTuple):
    """The records of one split in the order they are written in, and where shards begin."""

    split: str
    records: Records
    rows: NDArray[np.int64]  # positions in `records`, in stored order
    starts: NDArray[np.int64]  # int64[shards + 1]: shard k is rows[starts[k]:starts[k + 1]]
    order: Order
    nbytes: int  # of all images, as published
    listing_sha256: str  # of keys, wnids and sizes in stored order: what the plan is made from

    @property
    def shard_count(self) -> int:
        """How many shards there will be."""
        return len(self.starts) - 1


class Conversion(NamedTuple):
    """A conversion that is planned, and ready to be run."""

    source: Source
    format_name: str
    options: Options  # resolved
    classes: tuple[str, ...]
    plans: Mapping[str, SplitPlan]
    notes: tuple[str, ...]  # what is left out of the source by options, and which classes are empty


def plan_split(
    split: str, records: Records, *, classes: Sequence[str], options: Options, one_shard: bool
) -> SplitPlan:
    """Plan one split.

    Args:
        split: its name; train is shuffled unless the options say otherwise.
        records: where they come from.
        classes: the class list; records of other classes must have been refused or left out.
        options: resolved.
        one_shard: whether all goes to one shard, whatever its size.

    Raises:
        SourceError: if no record is left, or two have the same key.
    """
    listing = records.listing
    rows = _select(listing, classes)
    rows = rows[np.argsort(listing.keys[rows], kind="stable")]
    _refuse_equal_keys(split, listing, rows)
    seed = options.seed or 0
    if options.limit is not None and options.limit < len(rows):
        # the records that a shuffle puts first, so that every class has its share
        rows = rows[np.sort(rng.shuffled(len(rows), seed=seed)[: options.limit])]
    if not len(rows):
        raise SourceError(
            f"{split}: none of its {len(listing.keys)} images has a class that is converted; name "
            "one of its classes with --classes, or convert another split alone with --split"
        )
    chosen = options.order or ("shuffled" if split == "train" else "sorted")
    if chosen == "shuffled":
        rows = rows[rng.shuffled(len(rows), seed=seed)]
    nbytes = listing.nbytes[rows]
    return SplitPlan(
        split=split,
        records=records,
        rows=rows,
        starts=(
            np.array([0, len(rows)])
            if one_shard
            else _cut(nbytes, options.shard_nbytes or DEFAULT_SHARD_NBYTES)
        ),
        order=chosen,
        nbytes=int(nbytes.sum()),
        listing_sha256=_listing_sha256(listing, rows),
    )


def _select(listing: Listing, classes: Sequence[str]) -> NDArray[np.int64]:
    chosen = np.isin(listing.wnids, np.array([*classes, ""], "S"))
    return np.flatnonzero(chosen)


def _refuse_equal_keys(split: str, listing: Listing, rows: NDArray[np.int64]) -> None:
    keys = listing.keys[rows]
    equal = np.flatnonzero(keys[1:] == keys[:-1])
    if len(equal):
        raise SourceError(
            f"{split}: two records have the key {keys[equal[0]].decode()}; "
            "pass each source once, and remove the copy"
        )


def _cut(nbytes: NDArray[np.int64], shard_nbytes: int) -> NDArray[np.int64]:
    """Return where shards start: each is filled up to `shard_nbytes`, and has a record at least."""
    ends = np.cumsum(nbytes + OVERHEAD_NBYTES)
    starts = [0]
    while starts[-1] < len(nbytes):
        before = ends[starts[-1] - 1] if starts[-1] else 0
        stop = int(np.searchsorted(ends, before + shard_nbytes, "right"))
        starts.append(max(stop, starts[-1] + 1))
    return np.array(starts)


def _listing_sha256(listing: Listing, rows: NDArray[np.int64]) -> str:
    digest = hashlib.sha256()
    for column in (listing.keys, listing.wnids, listing.nbytes):
        digest.update(column.dtype.str.encode())
        digest.update(np.ascontiguousarray(column[rows]).tobytes())
    return digest.hexdigest()


def class_list(
    asked: Sequence[str] | None, known: Sequence[str] | None, splits: dict[str, Records]
) -> tuple[str, ...]:
    """Return the sorted class list of a dataset.

    Args:
        asked: the user's own list, or ["found"] for the classes that have images.
        known: of the devkit or of the dataset that is converted.
        splits: the records.
    """
    if asked is None:
        return tuple(sorted(known)) if known is not None else labels.ilsvrc2012_wnids()
    if list(asked) == ["found"]:
        found = {wnid for records in splits.values() for wnid in np.unique(records.listing.wnids)}
        return tuple(sorted(wnid.decode() for wnid in found if wnid))
    return tuple(sorted(asked))


def check_classes(
    split: str, listing: Listing, classes: Sequence[str], *, subset: bool, complete: bool
) -> list[str]:
    """Refuse records of unknown classes and classes without a record; return notes.

    Args:
        split: its name, for the message.
        listing: of its records.
        classes: the class list.
        subset: whether the user named the classes: records of others are left out rather than
            refused, and classes may have no record.
        complete: whether every class must have a record.

    Raises:
        LabelError: naming the first such class.
    """
    wnids, counts = np.unique(listing.wnids, return_counts=True)
    count_of = dict(zip(wnids.astype(str).tolist(), counts.tolist(), strict=True))
    count_of.pop("", None)
    if not count_of:
        return []
    notes = []
    if unknown := sorted(count_of.keys() - set(classes)):
        if not subset:
            raise LabelError(
                f"{split}: {unknown[0]} is not among the {len(classes)} known classes"
                f"{_and_others(unknown)}; is the devkit wrong? --classes FILE names the classes "
                "to convert, --classes found converts all"
            )
        count = sum(count_of[wnid] for wnid in unknown)
        notes.append(
            f"{split}: {count:,} images of {len(unknown):,} classes that --classes does not name "
            "are left out"
        )
    if missing := sorted(set(classes) - count_of.keys()):
        if complete and not subset:
            raise LabelError(
                f"{split}: class {missing[0]} has no image{_and_others(missing)}, of "
                f"{len(classes)} classes: is the source complete? --classes FILE names the "
                "classes to convert, --classes found converts those that have images"
            )
        notes.append(f"{split}: {len(missing):,} of the {len(classes):,} classes have no image")
    return notes


def _and_others(wnids: Sequence[str]) -> str:
    return f" (nor {len(wnids) - 1} others)" if len(wnids) > 1 else ""
