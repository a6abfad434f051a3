"""webdataset's indexed reader, by the `wids-index.json` beside the tars."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import wids

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in stored order."""
    index = str(split.directory / "wids-index.json")
    with TemporaryDirectory() as cache:
        for tar in split.shards:  # wids copies what it does not find in its cache
            (Path(cache) / tar.name).symlink_to(tar.absolute())
        with closing(wids.ShardListDataset(index, cache_dir=cache, transformations=[])) as dataset:
            for position in range(len(dataset)):
                sample = dataset[position]
                label = int(sample[".cls"].read()) if ".cls" in sample else -1
                yield Returned(sample["__key__"], label, sample[".jpg"].read())
