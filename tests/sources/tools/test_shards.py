"""WebDataset shards of other tools: read in place, labels never guessed, one line of damage."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import source_layouts as layouts
from click.testing import CliRunner
from opened_sources import read, refused

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.record import Record
from imnet_data.sources import open_sources

TENCH, GOLDFISH = labels.ilsvrc2012_wnids()[:2]
JPEG = b"\xff\xd8\xff" + bytes(range(200))


def shard(path: Path, **members: bytes | str) -> Path:
    """Write a shard of one record `a`, with the members of these suffixes."""
    files = {"a.jpg": JPEG}
    files |= {
        f"a.{suffix}": content.encode() if isinstance(content, str) else content
        for suffix, content in members.items()
    }
    return layouts.write_tar(path, files)


@pytest.fixture(scope="module")
def held(tarballs, tmp_path_factory) -> Path:
    """The synthetic train and val as timm has the real ones, written by webdataset."""
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    root = tmp_path_factory.mktemp("timm")
    source = open_sources(tarballs)
    wnids = labels.ilsvrc2012_wnids()
    splits: dict[str, dict[str, Any]] = {}
    for split, name, count in (("train", "train", 3), ("val", "validation", 1)):
        records = source.splits[split]
        files = [f"imagenet1k-{name}-{number:04}.tar" for number in range(count)]
        order = list(range(len(records)))
        random.Random(0).shuffle(order)
        lengths = []
        for number, file in enumerate(files):
            with webdataset.TarWriter(str(root / file)) as writer:
                for at in order[number::count]:
                    record = records[at]
                    label = wnids.index(record.wnid)
                    about = {"label": label, "width": 1, "height": 1, "filename": record.key}
                    sample = {"jpg": record.jpeg, "cls": label, "json": about}
                    writer.write({"__key__": record.key, **sample})
            lengths.append(len(order[number::count]))
        splits[name] = {"name": name, "filenames": files, "shard_lengths": lengths}
        splits[name]["num_samples"] = len(records)
    source.close()
    alternative = {**splits["train"], "alt_label": "label_12k", "shard_lengths": [0, 1, 2]}
    info = {"splits": {**splits, "train_12k": alternative}}
    (root / "info.json").write_text(json.dumps(info))
    (root / "README.md").write_text("# a card\n")
    return root


def test_timms_shards_become_the_bytes_of_the_tarballs(tarballs, held, tmp_path):
    found = ("found",)
    ours = convert(
        held,
        tmp_path / "timm",
        options=Options(classes=found, shard_nbytes=64_000, labels="sorted"),
        workers=2,
    )
    options = Options(classes=found, shard_nbytes=64_000)
    theirs = convert(tarballs, tmp_path / "tar", options=options, workers=2)
    assert list(ours.splits) == ["train", "val"]
    for split in ours.splits:
        assert ours.splits[split].digest == theirs.splits[split].digest
        for file in theirs.splits[split].shards:
            name = f"{split}/{file.name}"
            assert (tmp_path / "timm" / name).read_bytes() == (tmp_path / "tar" / name).read_bytes()


def test_the_wnid_of_the_key_needs_no_labels_and_val_does(held):
    train = read(held, split="train")["train"]
    assert len(train) == 148
    assert all(record.key.startswith(f"{record.wnid}_") for record in train)
    message = refused(held)
    assert "imagenet1k-validation-0000.tar, ILSVRC2012_val_" in message
    assert "no wnid in its name; say what its labels mean with --labels" in message
    assert set(read(held, labels="sorted")) == {"train", "val"}
    assert "the label 0 is none of the label space tf" in refused(held, "--labels", "tf")


def test_one_shard_may_be_given_by_itself(held):
    file = held / "imagenet1k-train-0001.tar"
    assert list(read(file)) == ["train"]


def test_a_number_of_images_that_info_json_denies_is_refused(held, tmp_path):
    info = json.loads((held / "info.json").read_text())
    for name in ("imagenet1k-train-0000.tar", "info.json"):
        (tmp_path / name).write_bytes((held / name).read_bytes())
    count = info["splits"]["train"]["shard_lengths"][0]
    assert len(read(tmp_path)["train"]) == count
    info["splits"]["train"]["shard_lengths"][0] -= 1
    (tmp_path / "info.json").write_text(json.dumps(info))
    assert f"has {count} images, and info.json or _info.json beside it says {count - 1}" in (
        refused(tmp_path)
    )


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"splits": {"train": {"filenames": 3}}}'])
def test_a_damaged_info_json_is_refused(content, tmp_path):
    shard(tmp_path / "train-0.tar", cls="0")
    (tmp_path / "_info.json").write_bytes(content)
    assert "_info.json: is damaged" in refused(tmp_path)


def test_info_json_says_the_split_before_the_name(tmp_path):
    shard(tmp_path / "part-0.tar", cls=TENCH)
    assert "its name says no split" in refused(tmp_path)
    info = {"splits": {"validation": {"filenames": ["part-0.tar"]}}}
    (tmp_path / "_info.json").write_text(json.dumps(info))
    assert [record.wnid for record in read(tmp_path)["val"]] == [TENCH]


@pytest.mark.parametrize(
    ("members", "wnid"),
    [
        ({"cls": TENCH}, TENCH),
        ({"json": json.dumps({"label": 999, "class_name": TENCH})}, TENCH),
        ({"json": json.dumps({"label": 1, "class_name": "goldfish"})}, GOLDFISH),
        ({"cls": "1\n"}, GOLDFISH),
        ({"cls": "1", "json": json.dumps({"label": 1}), "txt": "a photo"}, GOLDFISH),
    ],
)
def test_the_class_is_that_of_cls_or_json(members, wnid, tmp_path):
    file = shard(tmp_path / "train-0.tar", **members)
    space = "sorted" if wnid == GOLDFISH else None
    assert read(file, labels=space)["train"] == [Record("a", wnid, JPEG)]


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ({"cls": "x"}, "its cls is 'x'"),
        ({"cls": "1", "json": json.dumps({"label": 2})}, "its cls is '1', and its json says 2"),
        ({"json": json.dumps({"label": "1"})}, "its label is '1', and an integer is read"),
        ({"json": json.dumps({"label": True})}, "its label is True"),
        ({"json": "{"}, "its json is damaged"),
        ({"json": "[1]"}, "its json is no object"),
        ({"png": JPEG, "cls": "1"}, r"has 2 images \(members: cls, jpg, png\)"),
        ({"cls": "1" * (1 << 21)}, "too many for a label"),
        ({"cls": "-1"}, "is of train, and has neither a label nor a wnid"),
    ],
)
def test_a_record_that_is_not_understood_is_refused(members, match, tmp_path):
    file = shard(tmp_path / "train-0.tar", **members)
    with pytest.raises(SourceError, match=match) as caught:
        open_sources(file, labels="sorted")
    assert f"{file}, a" in str(caught.value)


def test_a_record_without_an_image_is_refused(tmp_path):
    files = {"a.jpg": JPEG, "a.cls": b"0", "b.cls": b"0"}
    file = layouts.write_tar(tmp_path / "train-0.tar", files)
    assert "b: has 0 images" in refused(file, "--labels", "sorted")


def test_images_of_test_need_no_label(tmp_path):
    file = shard(tmp_path / "test-0.tar", json=json.dumps({"label": -1}))
    assert read(file)["test"] == [Record("a", "", JPEG)]


def test_a_shard_that_is_cut_is_refused(held, tmp_path):
    whole = (held / "imagenet1k-train-0000.tar").read_bytes()
    file = tmp_path / "imagenet1k-train-0000.tar"
    for keep in range(2000, len(whole) - 12_000, len(whole) // 17):
        file.write_bytes(whole[:keep])
        assert "imagenet1k-train-0000.tar" in refused(file)


def test_a_shard_that_became_shorter_is_told(tmp_path):
    file = shard(tmp_path / "train-0.tar", cls=TENCH)
    source = open_sources(file)
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(SourceError, match="became shorter while it was read"):
        source.splits["train"][0]
    source.close()


def test_a_packed_shard_is_told_how_to_be_read(tmp_path):
    file = shard(tmp_path / "train-0.tar.gz", cls=TENCH)
    assert "is a WebDataset shard" in refused(file)
    assert "unpack or rename it" in refused(file)


def test_our_own_shards_are_given_by_their_dataset(made):
    folder = made["webdataset"]
    assert "is given by its folder, the one that has dataset.json" in refused(folder / "train")
    assert CliRunner().invoke(main, ["inspect", str(folder)]).exit_code == 0


def test_official_archives_beside_shards_are_not_taken_for_shards(tarballs):
    source = open_sources(tarballs)
    assert not any("WebDataset" in note for note in source.notes)
    source.close()
