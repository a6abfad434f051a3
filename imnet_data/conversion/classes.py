"""The class list of a dataset, and whether the records of a split are of these classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import ConvertError, LabelError
from imnet_data.imagenet import labels
from imnet_data.sources import hierarchy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imnet_data.dataset.description import Options
    from imnet_data.record import Listing, Records
    from imnet_data.sources import Source

FOUND = ("found",)  # the classes that have images, in whichever split


def asked(options: Options, source: Source) -> tuple[str, ...] | None:
    """Return the classes that the options name, a synset with others below it as those.

    Raises:
        LabelError: if a hierarchy is no hierarchy, or nothing here is below a synset.
    """
    if options.classes is None or options.classes == FOUND:
        return options.classes
    if options.hierarchy is not None:
        tree = hierarchy.read(Path(options.hierarchy))
    elif source.devkit is not None:
        tree = hierarchy.of_devkit(source.devkit)
    else:
        return tuple(sorted(options.classes))
    among = found(source.splits) if source.classes is None else source.classes
    return tree.expanded(options.classes, among)


def found(splits: Mapping[str, Records]) -> tuple[str, ...]:
    """Return the sorted classes that have images."""
    wnids = {wnid for records in splits.values() for wnid in np.unique(records.listing.wnids)}
    return tuple(sorted(wnid.decode() for wnid in wnids if wnid))


def class_list(
    asked: Sequence[str] | None, known: Sequence[str] | None, splits: Mapping[str, Records]
) -> tuple[str, ...]:
    """Return the sorted class list of a dataset.

    Args:
        asked: the user's own list, or ("found",) for the classes that have images.
        known: of the devkit or of the dataset that is converted.
        splits: the records.
    """
    if asked is None:
        return tuple(sorted(known)) if known is not None else labels.ilsvrc2012_wnids()
    if tuple(asked) == FOUND:
        return found(splits)
    return tuple(sorted(asked))


def frequent(
    classes: Sequence[str], splits: Mapping[str, Records], *, least: int
) -> tuple[tuple[str, ...], str]:
    """Return the classes that have at least `least` images of train, and a note on the others.

    Raises:
        ConvertError: if there is no train, or no such class.
    """
    if "train" not in splits:
        raise ConvertError(
            f"--min-images {least} counts images of train, and there is none; leave it out"
        )
    count_of = counts(splits["train"].listing)
    kept = tuple(wnid for wnid in classes if count_of.get(wnid, 0) >= least)
    rest = [wnid for wnid in classes if count_of.get(wnid, 0) < least]
    if not kept:
        raise ConvertError(
            f"train: none of the {len(classes):,} classes has {least:,} images or more; choose a "
            "smaller --min-images"
        )
    return kept, (
        f"train: {len(kept):,} classes have {least:,} images or more and are converted; "
        f"{len(rest):,} have fewer"
    )


def counts(listing: Listing) -> dict[str, int]:
    """Return how many records each class has."""
    wnids, numbers = np.unique(listing.wnids, return_counts=True)
    count_of = dict(zip(wnids.astype(str).tolist(), numbers.tolist(), strict=True))
    count_of.pop("", None)
    return count_of


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
    count_of = counts(listing)
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
            f"{split}: {count:,} images of {len(unknown):,} classes that are not converted are "
            "left out"
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
