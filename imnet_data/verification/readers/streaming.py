"""mosaicml-streaming's reader of MDS shards, which decodes the images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streaming.base.format.mds import MDSReader

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and the sizes of the pixels, in stored order."""
    index = json.loads((split.directory / "index.json").read_bytes())
    for described in index["shards"]:
        reader = MDSReader.from_json(str(split.directory), None, described)
        for number in range(len(reader)):
            sample = reader[number]
            yield Returned(sample["key"], sample["y"], None, sample["x"].size)
