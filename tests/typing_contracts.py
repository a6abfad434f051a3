"""What mypy proves: each format's module, and what it opens, satisfies its Protocol."""

from pathlib import Path

from imnet_data.formats import (
    Format,
    Shard,
    beton,
    caffe,
    folder,
    lmdb,
    mds,
    parquet,
    tfrecord,
    webdataset,
)

FORMATS: list[Format] = [beton, caffe, folder, lmdb, mds, parquet, tfrecord, webdataset]


def open_each(path: Path) -> list[Shard]:
    """Open `path` as each format, to be type-checked, not to be run."""
    return [module.open(path) for module in FORMATS]
