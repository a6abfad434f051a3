"""ffcv's `Reader`, and the bytes of the file where it says that they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ffcv.reader import Reader

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield labels and bytes, in stored order; a beton has no keys."""
    for path in split.shards:
        beton = Reader(str(path))
        sizes = np.zeros(beton.num_samples, np.int64)
        sizes[beton.alloc_table["sample_id"]] = beton.alloc_table["size"]
        images, labels = beton.metadata["f0"], beton.metadata["f1"]
        with path.open("rb") as file:
            for position, nbytes, label in zip(images["data_ptr"], sizes, labels, strict=True):
                file.seek(position)
                yield Returned(None, int(label), file.read(nbytes))
