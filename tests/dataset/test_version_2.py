"""Datasets of version 2 are read for ever, and those of version 3 have the bytes they had.

`tests/golden/dataset-v2.tar.zst` holds one in webdataset, written by the last code that wrote that
version: 9 photographs of train in five shards, 2 of val in two, all stored seekable.
"""

import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import pytest
import zstandard

from imnet_data import jpeg
from imnet_data.conversion.convert import convert
from imnet_data.dataset import description, layout
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.verification.compare import compare
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify

PACKED = Path(__file__).parents[1] / "golden" / "dataset-v2.tar.zst"
SPLITS = {"train": 9, "val": 2}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The dataset."""
    with tarfile.open(fileobj=io.BytesIO(zstandard.decompress(PACKED.read_bytes()))) as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / "dataset-v2"


def contents(root: Path) -> dict[str, bytes]:
    """Return the bytes of each file."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_a_dataset_of_version_2_is_opened_and_verified(old: Path) -> None:
    assert description.read(old).version == 2
    assert verify(old, decode=True, workers=2) == []
    for split, count in SPLITS.items():
        with Dataset.open(old, split) as dataset:
            assert len(dataset) == count
            for index, record in enumerate(dataset):
                assert hashlib.sha256(record.jpeg).digest() == dataset.sha256[index].tobytes()
                stored = bytes(dataset.stored(index))
                assert stored == jpeg.seekable(record.jpeg, joined=False)
                assert len(stored) < len(jpeg.seekable(record.jpeg))


@pytest.mark.parametrize(
    "file",
    [
        "train/index.npy",
        "train/manifest.jsonl.zst",
        "train/train-000002.tar",
        "val/val-000000.idx",
        "SHA256SUMS",
    ],
)
@pytest.mark.parametrize("source", ["version 2", "version 3"])
def test_a_dataset_of_version_2_is_repaired_to_its_own_bytes(
    old: Path, tmp_path: Path, file: str, source: str
) -> None:
    root = Path(shutil.copytree(old, tmp_path / "damaged"))
    content = bytearray((root / file).read_bytes())
    content[len(content) // 2] ^= 4
    (root / file).write_bytes(content)
    sound = old
    if source == "version 3":
        sound = tmp_path / "new"
        convert([old], sound)
    assert repair(root, [sound], verify(root)) == [file]
    assert verify(root) == []
    assert contents(root) == contents(old)


@pytest.mark.parametrize(
    ("form", "sha256"),
    [
        ("seekable", "5b64cd3625c085ae9c3115425a1a834e6a9d9278745455aeaf1923d21315e0ea"),
        ("packed", "13d5870aaabe14eb4ef1b4246c544451857b1f70b6c7f3eef23bfc701f7af3c7"),
    ],
)
def test_what_is_stored_in_version_3_has_these_bytes(
    old: Path, tmp_path: Path, form: description.Jpeg, sha256: str
) -> None:
    """Where they are to change, raise `description.VERSION`, and write those of version 3 on."""
    new = tmp_path / "new"
    about = convert([old], new, options=Options(jpeg=form))
    assert about.version == description.VERSION == 3
    assert verify(new) == compare(old, new) == []
    shards = [line for line in layout.read_sums(new / "SHA256SUMS") if line[0].endswith(".tar")]
    assert len(shards) == 7
    assert hashlib.sha256(repr(shards).encode()).hexdigest() == sha256
