"""webdataset's own `WebDataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import webdataset

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in stored order."""
    tars = [str(path) for path in split.shards]
    for sample in webdataset.WebDataset(tars, shardshuffle=False):
        yield Returned(sample["__key__"], int(sample.get("cls", -1)), sample["jpg"])
