"""pyarrow's reader of Parquet files, a row group at a time, with the CRC-32 of each page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.verification.readers import Split

_SUFFIX = ".JPEG"


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in stored order."""
    for path in split.shards:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(100, use_threads=False):
                for row in batch.to_pylist():
                    stem = row["image"]["path"].removesuffix(_SUFFIX)
                    key = stem if row["label"] < 0 else stem.rpartition("_")[0]
                    yield Returned(key, row["label"], row["image"]["bytes"])
