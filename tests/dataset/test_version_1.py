"""Datasets of version 1 are read for ever: these were written by the last code that wrote them.

`tests/golden/dataset-v1.tar.zst` holds one in webdataset and one in folder, of the same records: 13
of train in five shards, with boxes and a PNG that became a JPEG, 3 of val, 2 of test.
"""

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import zstandard

from imnet_data.conversion.convert import convert
from imnet_data.dataset import description
from imnet_data.dataset.opened import Dataset
from imnet_data.inspection import summary
from imnet_data.loaders.opening import open_loader
from imnet_data.transforms.recipe import EvalRecipe
from imnet_data.verification.compare import compare
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify

PACKED = Path(__file__).parents[1] / "golden" / "dataset-v1.tar.zst"
SPLITS = {"train": 13, "val": 3, "test": 2}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with the datasets `webdataset` and `folder`."""
    with tarfile.open(fileobj=io.BytesIO(zstandard.decompress(PACKED.read_bytes()))) as tar:
        tar.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old"


@pytest.mark.parametrize("name", ["webdataset", "folder"])
def test_a_dataset_of_version_1_is_opened_verified_and_inspected(old: Path, name: str) -> None:
    root = old / name
    assert description.read(root).version == 1
    assert verify(root, decode=True, workers=2) == []
    for split, count in SPLITS.items():
        with Dataset.open(root, split) as dataset:
            assert len(dataset) == count
            records = list(dataset)
            entries = list(dataset.entries())
            assert [record.key for record in records] == [entry.key for entry in entries]
            assert [dataset.entry(number) for number in range(count)] == entries
            assert not dataset.index.verdict.any()
    with Dataset.open(root, "train") as train:
        assert train[0].fix == "png-to-jpeg"
        assert [len(train.index.boxes_of(number)) for number in range(4)] == [0, 1, 2, 2]
    told, _ = summary.record(root, "n01440764_74")
    assert told.is_sound


def test_a_dataset_of_version_1_is_loaded(old: Path) -> None:
    with open_loader(old / "webdataset", EvalRecipe(), batch_size=2, split="val") as loader:
        labels = [batch.labels for batch in loader.epoch(0)]
    assert np.concatenate(labels)[:3].tolist() == [1, 0, 1]


def test_a_dataset_of_version_1_converts_to_a_new_one_with_the_same_records(
    old: Path, tmp_path: Path
) -> None:
    about = convert(old / "webdataset", tmp_path / "new")
    assert description.read(tmp_path / "new").version == description.VERSION > 1
    assert compare(old / "folder", tmp_path / "new") == []
    assert verify(tmp_path / "new") == []
    before = description.read(old / "webdataset")
    for split, count in SPLITS.items():
        assert about.splits[split].record_count == count
        assert about.splits[split].digest == before.splits[split].digest


@pytest.mark.parametrize(
    "file",
    [
        "train/index.npy",
        "train/manifest.jsonl.zst",
        "train/train-000002.tar",
        "val/val-000000.idx",
        "SHA256SUMS",
        "labels.tsv",
    ],
)
def test_a_dataset_of_version_1_is_repaired_to_its_own_bytes(
    old: Path, tmp_path: Path, file: str
) -> None:
    root = Path(shutil.copytree(old / "webdataset", tmp_path / "damaged"))
    content = bytearray((root / file).read_bytes())
    content[len(content) // 2] ^= 4
    (root / file).write_bytes(content)
    assert repair(root, [old / "folder"], verify(root)) == [file]
    assert verify(root) == []
    for path in (old / "webdataset").rglob("*"):
        if path.is_file():
            assert (root / path.relative_to(old / "webdataset")).read_bytes() == path.read_bytes()
