import json
import tarfile

import numpy as np
import pytest
from detection_kit import converted, made, records, scene

from imnet_data import repair, verify
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError
from imnet_data.imagenet.detection import (
    DET,
    SPLITS,
    VID,
    PublishedSplit,
    categories,
    number_of,
)
from imnet_data.record import Scene

FORMATS = ("webdataset", "lmdb", "beton", "tfrecord", "parquet", "folder")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="module")
def webdataset(sets):
    for task in ("det", "vid"):
        converted(made(sets, task), sets / f"{task}-webdataset")
    return sets


def as_published(record):
    """Return a record as its source has it: conversion adds what it did to the bytes."""
    return record._replace(fix="")


@pytest.mark.parametrize("task", ["det", "vid"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_record_comes_back_with_its_boxes_and_scene(sets, tmp_path, task, format):
    about = converted(made(sets, task), tmp_path / "out", format=format, split="val")
    expected = records(made(sets, task))["val"]
    with Dataset.open(tmp_path / "out", "val") as dataset:
        assert [as_published(record) for record in dataset] == expected
    assert about.name == f"imagenet-{task}"
    assert about.options.boxes is True
    assert verify(tmp_path / "out", workers=1) == []


@pytest.mark.parametrize("task", ["det", "vid"])
def test_a_dataset_of_another_format_gives_the_bytes_of_the_source(webdataset, tmp_path, task):
    converted(made(webdataset, task), tmp_path / "lmdb", format="lmdb")
    converted(tmp_path / "lmdb", tmp_path / "again")
    first = (webdataset / f"{task}-webdataset/SHA256SUMS").read_text().splitlines()
    again = (tmp_path / "again/SHA256SUMS").read_text().splitlines()
    assert len(first) > 15
    assert first == again


def test_a_webdataset_shard_has_the_scene_beside_the_boxes(webdataset):
    path = webdataset / "det-webdataset/train/train-000000.tar"
    with tarfile.open(path) as tar:
        files = [tar.extractfile(member) for member in tar if member.name.endswith(".json")]
        told = [json.load(file) for file in files if file]
    scenes = {each["key"]: Scene.from_json(each["scene"]) for each in told}
    expected = {record.key: record.scene for record in records(made(webdataset, "det"))["train"]}
    assert scenes == expected
    assert [len(each.get("boxes", ())) for each in told] == [
        len(each["scene"].get("objects", ())) for each in told
    ]


def test_tensorflows_names_of_boxes_have_the_published_numbers(sets, tmp_path):
    reader = pytest.importorskip("tfrecord.reader", reason="pip install tfrecord")
    converted(made(sets, "vid"), tmp_path / "out", format="tfrecord", split="val")
    kinds = {
        "image/object/class/label": "int",
        "image/object/bbox/label": "int",
        "image/object/bbox/xmin": "float",
        "image/scene": "byte",
    }
    path = str(tmp_path / "out/val/validation-00000-of-00001")
    rows = list(reader.tfrecord_loader(path, None, kinds))
    expected = records(made(sets, "vid"))["val"]
    assert len(rows) == len(expected) == 22
    for row, record in zip(rows, expected, strict=True):
        numbers = [number_of(VID)[each.wnid] for each in scene(record).objects]
        assert row["image/object/class/label"].tolist() == numbers
        assert row["image/object/bbox/label"].tolist() == numbers
        shares = [box.xmin / 128 for box in record.boxes]
        assert row["image/object/bbox/xmin"] == pytest.approx(shares)
        assert Scene.from_json(json.loads(bytes(row["image/scene"]))) == record.scene


def keys(path, split):
    with Dataset.open(path, split) as dataset:
        return [key.decode() for key in dataset.index.key], dataset.index.shard.tolist()


def test_frames_of_a_snippet_stay_together_and_in_one_shard(sets, tmp_path):
    converted(made(sets, "vid"), tmp_path / "out", options=Options(shard_nbytes=40_000, seed=3))
    found, shards = keys(tmp_path / "out", "train")
    snippets = [key.rpartition("_")[0] for key in found]
    runs = [name for at, name in enumerate(snippets) if at == 0 or snippets[at - 1] != name]
    assert len(runs) == len(set(runs)) == 3
    for name in runs:
        frames = [key for key in found if key.startswith(name)]
        assert frames == sorted(frames)
        pairs = zip(found, shards, strict=True)
        assert len({shard for key, shard in pairs if key.startswith(name)}) == 1
    assert len(set(shards)) > 1
    orders = set()
    for seed in range(4):
        out = tmp_path / f"seed-{seed}"
        converted(made(sets, "vid"), out, split="train", options=Options(seed=seed))
        orders.add(tuple(dict.fromkeys(key.rpartition("_")[0] for key in keys(out, "train")[0])))
    assert len(orders) > 1  # it is a shuffle


def test_every_nth_frame_counts_by_the_published_number(sets, tmp_path):
    converted(made(sets, "vid"), tmp_path / "out", options=Options(frames=("every", "4")))
    found, _ = keys(tmp_path / "out", "val")
    assert [int(key[-6:]) for key in found] == [0, 4, 8, 0, 4, 8]
    converted(tmp_path / "out", tmp_path / "again", format="lmdb")
    assert keys(tmp_path / "again", "val")[0] == found


FGFA = "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"


@pytest.mark.parametrize(
    ("split", "lines", "expected"),
    [
        ("train", f"{FGFA} 1 2 12\n{FGFA} 1 7 12\n", ["000002", "000007"]),
        ("val", "val/ILSVRC2015_val_00000001 1 0 10\n", [f"{n:06d}" for n in range(10)]),
        ("val", "val/ILSVRC2015_val_00000000/000003 4\n", ["000003"]),
    ],
)
def test_lists_of_fgfa_choose_frames_or_snippets(sets, tmp_path, split, lines, expected):
    path = tmp_path / "list.txt"
    path.write_text(lines)
    options = Options(frames=("list", str(path)))
    converted(made(sets, "vid"), tmp_path / "out", split=split, options=options)
    assert sorted(key[-6:] for key in keys(tmp_path / "out", split)[0]) == expected


def test_a_list_chooses_images_of_det(sets, tmp_path):
    path = tmp_path / "DET_train_30classes.txt"
    path.write_text("train/ILSVRC2013_train/n02085620/n02085620_12 1\n")
    converted(
        made(sets, "det"),
        tmp_path / "out",
        split="train",
        options=Options(frames=("list", str(path))),
    )
    assert keys(tmp_path / "out", "train")[0] == ["n02085620_12"]


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("det", Options(frames=("every", "2")), "has no frames to choose"),
        ("det", Options(classes=("found",)), "all images and boxes are taken"),
        ("det", Options(boxes=False), "all images and boxes are taken"),
        ("vid", Options(frames=("list", "{}")), "names 1 images of train that are not in"),
        ("vid", Options(frames=("list", "/nowhere")), "cannot be read"),
    ],
)
def test_what_cannot_be_chosen_is_refused_before_anything_is_written(
    sets, tmp_path, task, options, words
):
    path = tmp_path / "list.txt"
    path.write_text("train/x/ILSVRC2015_train_09999999 1 5 12\n")
    if options.frames and options.frames[1] == "{}":
        options = Options(frames=("list", str(path)))
    with pytest.raises(ConvertError, match=words):
        converted(made(sets, task), tmp_path / "out", options=options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "value", [("every", "0"), ("every", "x"), ("some", "1"), "every 2", ("list", "")]
)
def test_a_choice_of_frames_of_another_form_is_refused(value):
    with pytest.raises(ValueError, match="frames is"):
        Options(frames=value)


def test_shrunk_images_have_shrunk_boxes_around_the_same_things(sets, tmp_path):
    converted(made(sets, "vid"), tmp_path / "out", split="val", options=Options(max_side=64))
    whole = records(made(sets, "vid"))["val"]
    with Dataset.open(tmp_path / "out", "val") as dataset:
        assert set(dataset.index.width.tolist()) == {64}
        for small, large in zip(dataset, whole, strict=True):
            assert small.scene == large.scene
            halves = np.array(large.boxes) / 2
            assert np.abs(np.array(small.boxes) - halves).max() <= 0.5


def test_a_damaged_coco_file_is_found_and_made_again(sets, tmp_path):
    root = tmp_path / "out"
    converted(made(sets, "vid"), root)
    path = root / "val/annotations.coco.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"occluded":true', b'"occluded":false', 1))
    found = verify(root, workers=1)
    assert {each.file for each in found} == {"val/annotations.coco.json"}
    assert any("does not have the records of manifest" in each.what for each in found)
    assert repair(root, made(sets, "vid"), found, workers=1) == ["val/annotations.coco.json"]
    assert path.read_bytes() == content
    path.unlink()
    found = verify(root, workers=1)
    assert repair(root, [], found, workers=1) == ["val/annotations.coco.json"]
    assert path.read_bytes() == content


def test_a_manifest_with_another_object_is_found_and_made_again(sets, tmp_path):
    import zstandard

    from imnet_data.dataset import frames

    root = tmp_path / "out"
    converted(made(sets, "det"), root)
    path = root / "val/manifest.jsonl.zst"
    content = path.read_bytes()
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(content).splitlines(True)
    at = next(at for at, line in enumerate(lines) if b'"objects"' in line)
    lines[at] = lines[at].replace(b'[["n0', b'[["n9', 1)
    frames.write(path, lines)
    found = verify(root, workers=1)
    assert "val/manifest.jsonl.zst" in {each.file for each in found}
    repair(root, made(sets, "det"), found, workers=1)
    assert path.read_bytes() == content
    assert verify(root, workers=1) == []


@pytest.mark.parametrize(
    ("task", "counts", "words"),
    [
        ("det", (6, 8, 0), None),
        ("det", (6, 9, 0), "has 8 boxes, imagenet-det has 9"),
        ("det", (7, 9, 0), None),  # it is not complete, so nothing is expected
        ("vid", (22, 17, 2), None),
        ("vid", (22, 34, 2), "has 17 boxes that people drew, imagenet-vid has 34"),
        ("vid", (22, 17, 3), "has 2 snippets, imagenet-vid has 3"),
    ],
)
def test_a_complete_split_has_the_published_counts(webdataset, monkeypatch, task, counts, words):
    published = PublishedSplit(*counts)
    monkeypatch.setitem(SPLITS[f"imagenet-{task}"], "val", published)
    found = [each.what for each in verify(webdataset / f"{task}-webdataset", workers=1)]
    assert found == ([] if words is None else [words])


def test_published_counts_are_those_of_the_devkit():
    assert SPLITS[DET] == {
        "train": PublishedSplit(456_567, 478_807),
        "val": PublishedSplit(20_121, 55_502),
    }
    assert SPLITS[VID]["train"] == PublishedSplit(1_122_397, 866_870, 3_862)
    assert SPLITS[VID]["val"] == PublishedSplit(176_126, 135_949, 555)
    assert [len(categories(task)) for task in (DET, VID)] == [200, 30]
    assert set(number_of(VID)) < set(number_of(DET))
