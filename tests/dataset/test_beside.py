"""timm finds all splits by one file, which is ours only as long as it is as we wrote it."""

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import imnet_data
from imnet_data.conversion.convert import convert
from imnet_data.dataset import beside, description
from imnet_data.errors import ConvertError
from imnet_data.verification import strays

NAME = "_info.json"
COUNTS = {"train": 4 * 37, "val": 4 * 5, "validation": 4 * 5, "test": 7}


@pytest.fixture
def root(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["webdataset"], tmp_path / "dataset"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files left open
def test_timm_reads_every_split_below_one_folder(root: Path, timm: ModuleType) -> None:
    for split, count in COUNTS.items():
        dataset = timm.data.create_dataset("wds/", root=str(root), split=split)
        assert len(dataset) == count
    for split, name in (("train", "train"), ("validation", "val")):
        dataset = timm.data.create_dataset("wds/", root=str(root), split=split)
        with imnet_data.Dataset.open(root, name) as expected:
            labels = expected.labels.tolist()
            assert len(set(labels)) == 4
            assert [label for _, label in dataset] == labels


def test_it_lists_each_shard_of_each_split(root: Path) -> None:
    splits = json.loads((root / NAME).read_bytes())["splits"]
    assert {name: split["num_samples"] for name, split in splits.items()} == COUNTS
    for name, split in splits.items():
        assert split["name"] == name
        assert sum(split["shard_lengths"]) == split["num_samples"]
        assert all((root / file).is_file() for file in split["filenames"])
        own = json.loads((root / Path(split["filenames"][0]).parent / NAME).read_bytes())
        assert own["splits"][name]["shard_lengths"] == split["shard_lengths"]


def test_other_formats_have_none(made: dict[str, Path]) -> None:
    others = {name for name, root in made.items() if not beside.contents(description.read(root))}
    assert others == made.keys() - {"webdataset"}
    assert not any((made[name] / NAME).exists() for name in others)


def test_a_dataset_without_it_is_sound_and_gets_it_by_the_same_command(
    root: Path, tarballs: Path
) -> None:
    content = (root / NAME).read_bytes()
    (root / NAME).unlink()
    assert imnet_data.verify(root, workers=2) == []
    options = description.read(root).options
    convert([tarballs], root, options=options, workers=2)
    assert (root / NAME).read_bytes() == content


def test_one_of_the_users_is_neither_replaced_nor_removed(root: Path, tarballs: Path) -> None:
    (root / NAME).write_bytes(b"{}")
    assert imnet_data.verify(root, workers=2) == [imnet_data.Difference(NAME, strays.WHAT)]
    options = description.read(root).options
    convert([tarballs], root, options=options, workers=2)
    with pytest.raises(ConvertError, match=rf"{NAME}: is not a file of the dataset"):
        convert([tarballs], root, options=options, workers=2, force=True)
    assert (root / NAME).read_bytes() == b"{}"
    assert (root / "dataset.json").is_file()


def test_force_removes_ours_with_the_dataset(root: Path, tarballs: Path) -> None:
    convert([tarballs], root, split="val", workers=2, force=True)
    splits = json.loads((root / NAME).read_bytes())["splits"]
    assert splits.keys() == {"val", "validation"}
    assert imnet_data.verify(root, workers=2) == []
    convert([tarballs], root, format="lmdb", workers=2, force=True)
    assert not (root / NAME).exists()
