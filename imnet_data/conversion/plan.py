"""What a conversion will write, made before anything is: which records, in which order, cut where.

Whatever the source's own order, records are first sorted by key, so that tarballs and any dataset
made from them give the same plan.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data import rng
from imnet_data.conversion import frames
from imnet_data.conversion.written import SplitOutline
from imnet_data.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    @property
    def outline(self) -> SplitOutline:
        """The plan without its records."""
        return SplitOutline(self.order, self.shard_count, self.listing_sha256)


class Conversion(NamedTuple):
    """A conversion that is planned, and ready to be run."""

    source: Source
    format_name: str
    options: Options  # resolved
    classes: tuple[str, ...]
    plans: Mapping[str, SplitPlan]
    notes: tuple[str, ...]  # what is left out of the source by options, and which classes are empty


def plan_split(
    split: str,
    records: Records,
    rows: NDArray[np.int64],
    *,
    options: Options,
    one_shard: bool,
    snippets: bool = False,
) -> SplitPlan:
    """Plan one split.

    Args:
        split: its name; train is shuffled unless the options say otherwise.
        records: where they come from.
        rows: positions of those that are taken, in any order.
        options: resolved.
        one_shard: whether all goes to one shard, whatever its size.
        snippets: whether records are frames of VID: those of a snippet stay together.

    Raises:
        SourceError: if no record is left, or two have the same key.
    """
    listing = records.listing
    if options.frames is not None:
        rows = rows[frames.chosen(listing.keys[rows], options.frames, split)]
    rows = rows[np.argsort(listing.keys[rows], kind="stable")]
    _refuse_equal_keys(split, listing, rows)
    seed = options.seed or 0
    if options.limit is not None and options.limit < len(rows):
        # the records that a shuffle puts first, so that every class has its share
        rows = rows[np.sort(_shuffled(listing, rows, seed, snippets)[: options.limit])]
    if not len(rows):
        raise SourceError(
            f"{split}: none of its {len(listing.keys)} images has a class that is converted; name "
            "one of its classes with --classes, for a synset above them give --hierarchy as well, "
            "or convert another split alone with --split"
        )
    chosen = options.order or ("shuffled" if split == "train" else "sorted")
    if chosen == "shuffled":
        rows = rows[_shuffled(listing, rows, seed, snippets)]
    nbytes = listing.nbytes[rows]
    return SplitPlan(
        split=split,
        records=records,
        rows=rows,
        starts=(
            np.array([0, len(rows)])
            if one_shard
            else _cut(
                nbytes,
                options.shard_nbytes or DEFAULT_SHARD_NBYTES,
                _first_rows(listing.keys[rows]) if snippets else np.arange(len(rows)),
            )
        ),
        order=chosen,
        nbytes=int(nbytes.sum()),
        listing_sha256=_listing_sha256(listing, rows),
    )


def _refuse_equal_keys(split: str, listing: Listing, rows: NDArray[np.int64]) -> None:
    keys = listing.keys[rows]
    equal = np.flatnonzero(keys[1:] == keys[:-1])
    if len(equal):
        raise SourceError(
            f"{split}: two records have the key {keys[equal[0]].decode()}; "
            "pass each source once, and remove the copy"
        )


def _shuffled(
    listing: Listing, rows: NDArray[np.int64], seed: int, snippets: bool
) -> NDArray[np.int64]:
    """Return positions in `rows`, sorted by key, in shuffled order; whole snippets if asked."""
    if not snippets:
        return rng.shuffled(len(rows), seed=seed)
    firsts = _first_rows(listing.keys[rows])
    counts = np.diff(firsts, append=len(rows))
    order = rng.shuffled(len(firsts), seed=seed)
    return np.concatenate(
        [np.arange(count) + firsts[at] for at, count in zip(order, counts[order], strict=True)]
    )


def _first_rows(keys: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Return the position of the first frame of each snippet, of keys that have them together."""
    snippets = frames.snippets_of(keys)
    return np.flatnonzero(np.append(True, snippets[1:] != snippets[:-1]))


def _cut(
    nbytes: NDArray[np.int64], shard_nbytes: int, firsts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return where shards start: each is filled up to `shard_nbytes`, and has a record at least.

    A shard starts at one of `firsts`: a snippet is in one shard, be it larger than that.
    """
    ends = np.cumsum(np.add.reduceat(nbytes + OVERHEAD_NBYTES, firsts))
    starts = [0]
    while starts[-1] < len(firsts):
        before = ends[starts[-1] - 1] if starts[-1] else 0
        stop = int(np.searchsorted(ends, before + shard_nbytes, "right"))
        starts.append(max(stop, starts[-1] + 1))
    return np.append(firsts, len(nbytes))[starts]


def _listing_sha256(listing: Listing, rows: NDArray[np.int64]) -> str:
    digest = hashlib.sha256()
    for column in (listing.keys, listing.wnids, listing.nbytes):
        digest.update(column.dtype.str.encode())
        digest.update(np.ascontiguousarray(column[rows]).tobytes())
    return digest.hexdigest()
