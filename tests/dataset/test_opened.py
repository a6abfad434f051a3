"""An opened dataset: what is read for one record, and an index that cannot be right."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imnet_data.dataset import frames, index_file, manifest
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ManifestError
from imnet_data.verification.verify import verify


@pytest.fixture
def root(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["webdataset"], tmp_path / "webdataset"))


def test_the_line_of_one_record_is_read_without_those_of_other_frames(root: Path) -> None:
    path = root / "train" / manifest.FILE_NAME
    with Dataset.open(root, "train") as dataset:
        entries = list(dataset.entries())
        shards = dataset.index.shard
        content = bytearray(path.read_bytes())
        with path.open("rb") as file:
            ends = frames.read_table(file).start
        assert len(ends) - 1 == shards[-1] + 1 > 10  # a frame a shard
        content[: int(ends[7])] = bytes(int(ends[7]))
        content[int(ends[8]) : int(ends[-1])] = bytes(int(ends[-1] - ends[8]))
        path.write_bytes(content)
        rows = np.flatnonzero(shards == 7).tolist()
        assert [dataset.entry(row) for row in rows] == [entries[row] for row in rows]
        for row in (rows[0] - 1, rows[-1] + 1):
            with pytest.raises(ManifestError, match="damaged"):
                dataset.entry(row)


def test_a_dataset_lists_its_records_once(root: Path) -> None:
    with Dataset.open(root, "train") as dataset:
        assert dataset.listing is dataset.listing


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("label", 4),
        ("label", -2),
        ("shard", 1000),
        ("shard", -1),
        ("offset", -1),
        ("offset", 1 << 40),
        ("nbytes", -1),
        ("nbytes", 1 << 62),
        ("box_end", -1),
        ("box_end", 1),
        ("fix", 9),
        ("stored", 4),
        ("verdict", 6),
    ],
)
def test_an_index_that_is_out_of_range_is_refused(root: Path, column: str, value: int) -> None:
    path = root / "train" / index_file.FILE_NAME
    found = index_file.open_index(path)
    changed: Any = np.array(getattr(found, column))
    changed[len(changed) // 2] = value
    path.write_bytes(index_file.to_bytes(found._replace(**{column: changed}), version=2))
    with pytest.raises(ManifestError, match=f"train/index.npy: damaged .its column {column} has"):
        Dataset.open(root, "train")
    assert f"its column {column} is not that of the manifest" in {
        difference.what for difference in verify(root)
    }


def test_an_index_may_be_larger_than_numpy_lets_an_element_be(tmp_path: Path) -> None:
    """Sizes only: 40 million records are not written."""
    columns = index_file._columns(40_000_000, 10_000_000, 24)
    assert columns[-1].end > 1 << 31
    assert all(one.end <= other.start for one, other in itertools.pairwise(columns))
    with (tmp_path / "sparse.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (columns[-1].end,)}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        file.write(index_file._HEAD.pack(b"COLUMNS2", 40_000_000, 10_000_000, 24, b"d" * 64))
        file.seek(start + columns[-1].end - 24)
        file.write(b"the last key".ljust(24, b"\0"))
    opened = index_file.open_index(tmp_path / "sparse.npy")
    assert len(opened.label) == 40_000_000
    assert opened.boxes.shape == (10_000_000, 4)
    assert opened.key[-1] == b"the last key"
