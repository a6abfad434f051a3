"""What a conversion takes and leaves out is said before anything is written, and recorded."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset import description
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.record import Record
from imnet_data.verification.verify import verify

LEFT_OUT = {"files that are no images": 2, "hidden files": 1}


def _run(*words: str | Path) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def source(records: list[Record], tmp_path: Path) -> Path:
    """Train with four classes, val with three of them, and three files that are no images."""
    for record in records:
        split = "val" if record.wnid != records[3].wnid else "train"
        for name in {"train", split}:
            path = tmp_path / "in" / name / record.wnid / f"{record.key}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(record.jpeg)
    for name in ("train/.hidden.JPEG", "train/list.txt", "val/list.txt"):
        (tmp_path / "in" / name).write_bytes(b"not an image")
    return tmp_path / "in"


def test_convert_a_dry_run_and_inspect_say_the_same(source, tmp_path):
    words = ("convert", source, tmp_path / "out", "--classes", "found")
    dry = _run(*words, "--dry-run")
    assert not (tmp_path / "out").exists()
    inspected = _run("inspect", source)
    wet = _run(*words)
    assert wet.startswith(dry)
    of_the_source = [line for line in dry.splitlines() if "to be written" not in line]
    of_the_options = [line for line in of_the_source if "have no image" in line]
    assert of_the_options == ["note: val: 1 of the 4 classes have no image"]
    assert [line for line in of_the_source if line not in inspected.splitlines()] == of_the_options
    assert f"found in {source}: train 7, val 6" in dry
    assert "left out: 2 files that are no images (such as " in dry
    assert "left out: 1 hidden files (such as " in dry
    assert "to be written: train: 7 records, shuffled, 1 shard" in dry


def test_what_is_limited_and_of_other_classes_is_said(source, records, tmp_path):
    words = ("convert", source, tmp_path / "out", "--limit", "2", "--classes", records[0].wnid)
    dry = _run(*words, "--dry-run")
    assert "note: train: 5 images of 3 classes that are not converted are left out" in dry
    assert "to be written: train: 2 of 7 records, shuffled" in dry


def test_a_quality_that_has_no_effect_is_noted(source, tmp_path):
    words = ("convert", source, tmp_path / "out", "--classes", "found", "--quality", "80")
    note = "note: --quality is for images that are shrunk"
    assert note in _run(*words, "--dry-run")
    assert note not in _run(*words, "--dry-run", "--max-side", "64")
    assert note not in _run(*words[:-2], "--dry-run")


def test_dataset_json_has_what_was_left_out_and_a_conversion_of_it_keeps_that(source, tmp_path):
    options = Options(classes=("found",))
    assert convert([source], tmp_path / "a", options=options).left_out == LEFT_OUT
    convert([tmp_path / "a"], tmp_path / "b", format="lmdb")
    convert([tmp_path / "b"], tmp_path / "c", format="webdataset")
    assert description.read(tmp_path / "b").left_out == LEFT_OUT
    assert (tmp_path / "c/SHA256SUMS").read_bytes() == (tmp_path / "a/SHA256SUMS").read_bytes()
    assert verify(tmp_path / "a") == []
    assert "left out: 1 hidden files" in _run("inspect", tmp_path / "a")
    assert json.loads(_run("inspect", source, "--json"))["left_out"] == LEFT_OUT


def test_dataset_json_says_nothing_where_nothing_was_left_out(made):
    assert b"left_out" not in (made["webdataset"] / "dataset.json").read_bytes()


def test_a_dry_run_of_a_compressed_archive_writes_nothing(records, tmp_path):
    folder = tmp_path / "train" / records[0].wnid
    folder.mkdir(parents=True)
    (folder / "1.JPEG").write_bytes(records[0].jpeg)
    archive = Path(shutil.make_archive(str(tmp_path / "images"), "gztar", tmp_path, "train"))
    before = sorted(tmp_path.rglob("*"))
    dry = _run("convert", archive, tmp_path / "out", "--classes", "found", "--dry-run")
    assert "to be written: train: 1 records" in dry
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("format_name", ["webdataset", "folder"])
def test_a_list_of_classes_may_have_some_without_images(source, records, format_name, tmp_path):
    wnids = sorted({record.wnid for record in records} | {"n09999999"}, reverse=True)
    (tmp_path / "list.txt").write_text("\n".join(wnids))
    out = tmp_path / "out"
    words = ("convert", source, out, "--classes", tmp_path / "list.txt", "--format", format_name)
    said = _run(*words)
    assert "note: train: 1 of the 5 classes have no image" in said
    assert "note: val: 2 of the 5 classes have no image" in said
    assert ("ImageFolder numbers the class folders" in said) == (format_name == "folder")
    assert Dataset.open(out, "val").classes == tuple(sorted(wnids))


def test_the_order_of_a_list_of_classes_makes_no_other_dataset(source, records, tmp_path):
    wnids = sorted({record.wnid for record in records})
    for name, given in (("a", wnids), ("b", wnids[::-1])):
        (tmp_path / f"{name}.txt").write_text("\n".join(given))
        _run("convert", source, tmp_path / name, "--classes", tmp_path / f"{name}.txt")
    sums = [(tmp_path / name / "SHA256SUMS").read_bytes() for name in "ab"]
    assert sums[0] == sums[1]


def test_a_long_list_of_classes_on_the_command_line_is_no_name_of_a_file(source, tmp_path):
    wnids = ",".join(f"n{number:08d}" for number in range(1440764, 1440764 + 400))
    words = ("convert", source, tmp_path / "out", "--classes", wnids, "--split", "train")
    assert "note: train: 399 of the 400 classes have no image" in _run(*words, "--dry-run")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\0"])
def test_a_list_of_classes_that_cannot_be_read_is_wrong_usage(content, source, tmp_path):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    words = ["convert", str(source), str(tmp_path / "out"), "--classes", str(path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "nor a file of wnids" in done.stderr
