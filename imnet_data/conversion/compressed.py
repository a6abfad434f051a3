"""Compressed archives of images: unpacked beside the dataset, or read in place a second time.

In stored order, which is by class, a part of the archive is decompressed about once more; in
shuffled order it would be for every image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.archives.containers import GzippedTar
from imnet_data.sources.images import ImageRecords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.conversion.plan import Conversion
    from imnet_data.dataset.description import Options

_SLOW = 3  # times the archive, from which on it is better unpacked


def are_unpacked(options: Options, split: str | None) -> bool:
    """Return whether compressed archives have to be unpacked, as a split will be shuffled."""
    return options.order == "shuffled" or (options.order is None and split in (None, "train"))


def notes(conversion: Conversion, *, unpacks: bool) -> Iterator[str]:
    """Yield what the compressed archives will cost that were only listed so far."""
    listed = [each for each in conversion.source.containers if isinstance(each, GzippedTar)]
    for container in listed:
        nbytes = container.file.position
        places = [
            planned.records.places_in(container, planned.rows)
            for planned in conversion.plans.values()
            if isinstance(planned.records, ImageRecords)
        ]
        if not sum(map(len, places)):
            continue  # a devkit, or boxes
        if unpacks:
            yield (
                f"{container.name} is compressed and will be unpacked, to {nbytes:,} bytes beside "
                "the dataset, until that is done; --order sorted reads it in place instead"
            )
            continue
        times = sum(container.file.decompressed_nbytes(each) for each in places) / nbytes
        slow = "; this is slow: unpack it first (gunzip -k), or leave out --order sorted"
        yield (
            f"{container.name} is compressed and read in place: for its images, {times:.1f} times "
            f"its {nbytes:,} bytes are decompressed{slow if times > _SLOW else ''}"
        )
