"""Images that a dataset stores as pixels: they stay so, as no JPEG can be had back from them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from imnet_data import formats
from imnet_data.dataset import opened
from imnet_data.errors import ConvertError
from imnet_data.formats import Sample
from imnet_data.sources.in_order import in_order

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from imnet_data.conversion.plan import SplitPlan
    from imnet_data.dataset.description import Options
    from imnet_data.record import Record, Records

_FIXED = ("raw", "max_side", "short_side", "resize")  # would need the JPEGs again


def are_kept(records: Records, index: int) -> bool:
    """Return whether a record comes as pixels, and stays pixels."""
    return isinstance(records, opened.Dataset) and records.holds_pixels(index)


def jpegs(
    records: Records, indices: Sequence[int]
) -> Generator[tuple[int, Record | None], None, None]:
    """Yield indices and their records; None for those that pixels are kept of."""
    kept = {index for index in indices if are_kept(records, index)}
    with closing(in_order(records, [index for index in indices if index not in kept])) as found:
        for index in indices:
            yield index, None if index in kept else next(found)


def sample(dataset: opened.Dataset, index: int, label: int) -> Sample:
    """Return a record that is stored as pixels; it has no JPEG."""
    record, stored = dataset.without_jpeg(index), dataset.stored(index)
    height, width = int(dataset.index.height[index]), int(dataset.index.width[index])
    return Sample(
        record, label, width, height, np.frombuffer(stored, np.uint8).reshape(height, width, 3)
    )


def check(plans: Mapping[str, SplitPlan], options: Options, format_name: str) -> None:
    """Refuse a conversion for which the JPEGs would have to be had back.

    Raises:
        ConvertError: if pixels would have to become JPEGs, or others pixels than are.
    """
    for split, planned in plans.items():
        dataset = planned.records
        if not isinstance(dataset, opened.Dataset):
            continue
        count = int(dataset.is_pixels[planned.rows].sum())
        if not count:
            continue
        why = f"{split}: {count:,} of its images are stored as pixels, and their JPEGs are gone"
        if not formats.get(format_name).PIXELS:
            holding = ", ".join(name for name in formats.FORMATS if formats.get(name).PIXELS)
            raise ConvertError(
                f"{why}: {format_name} holds none but JPEGs, and to encode them once more would "
                f"lose; convert the source that it was made from, or take --format {holding}"
            )
        made_by = dataset.about.options
        for name in _FIXED:
            if getattr(options, name) != getattr(made_by, name):
                option = f"--{name.replace('_', '-')}"
                raise ConvertError(
                    f"{why}, so {option} is what it was made with, {getattr(made_by, name)}; "
                    f"leave out {option}, or convert the source that it was made from"
                )
        assert dataset.sha256.size  # read once, before the workers are forked


def notes(options: Options) -> Iterator[str]:
    """Yield what cannot be undone of what the options ask for."""
    if options.raw:
        yield (
            f"a share of {options.raw} of the images is stored as pixels: the JPEGs cannot be had "
            "back from them, so keep the source"
        )
    if options.shrinks:
        yield "larger images are shrunk, which cannot be undone, so keep the source"
