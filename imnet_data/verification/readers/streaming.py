"""mosaicml-streaming's reader of MDS shards, its images before they are decoded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from streaming.base.format.mds import MDSReader

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in stored order."""
    index = json.loads((split.directory / "index.json").read_bytes())
    for described in index["shards"]:
        reader = MDSReader.from_json(str(split.directory), None, described)
        for number in range(len(reader)):
            sample, raw = reader[number], reader.get_sample_data(number)
            # key, wnid and x have their sizes first; x and the label, of 8 bytes, are the last
            _, _, nbytes = np.frombuffer(raw, "<u4", 3).tolist()
            yield Returned(sample["key"], sample["y"], raw[-8 - nbytes : -8])
