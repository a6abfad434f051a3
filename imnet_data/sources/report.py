"""What a source holds and what is left out of it, in lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from imnet_data.record import Listing
    from imnet_data.sources import Source


def found(source: Source) -> list[str]:
    """Return what each file and folder holds, and what each split is made of."""
    lines = [
        f"found in {place.path}: {_counts(place.counts)}" for place in source.found if place.counts
    ]
    return lines + [f"{split}: {_of(records.listing)}" for split, records in source.splits.items()]


def left_out(source: Source) -> list[str]:
    """Return what was left out and why, and what else a person must know of the source."""
    return [
        f"left out: {reason.count:,} {name} (such as {reason.example})"
        for name, reason in source.left_out.items()
    ] + [f"note: {note}" for note in source.notes]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _of(listing: Listing) -> str:
    wnids = np.unique(listing.wnids)
    unlabelled = int(np.count_nonzero(listing.wnids == b""))
    classes = int(np.count_nonzero(wnids != b""))
    parts = [f"{len(listing.keys):,} images"]
    if classes or not unlabelled:
        parts[0] += f" of {classes:,} classes"
        parts += [f"{unlabelled:,} of them without a label"] if unlabelled else []
    else:
        parts[0] += " without labels"
    return ", ".join([*parts, f"{int(listing.nbytes.sum()):,} bytes"])
