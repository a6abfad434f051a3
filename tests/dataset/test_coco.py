"""annotations.coco.json, read by pycocotools, and as LVIS's and mmdetection's readers take it."""

import json

import numpy as np
import pytest
from detection_kit import converted, made, scene

from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.imagenet.detection import DET, VID, categories, number_of

DOG, CAT = (number_of(DET)[wnid] for wnid in ("n02084071", "n02121808"))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    for task in ("det", "vid"):
        converted(made(folder, task), folder / task)
    return folder


def document(datasets, name, split):
    return json.loads((datasets / name / split / "annotations.coco.json").read_bytes())


@pytest.mark.parametrize("task", ["det", "vid"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_pycocotools_has_the_boxes_of_the_dataset(datasets, task, split):
    coco = pytest.importorskip("pycocotools.coco", reason="pip install pycocotools")
    read = coco.COCO(datasets / task / split / "annotations.coco.json")
    dataset = Dataset.open(datasets / task, split)
    names = {each.number: each for each in categories(DET if task == "det" else VID)}
    assert {cat["id"]: cat["encode_name"] for cat in read.loadCats(read.getCatIds())} == {
        number: each.wnid for number, each in names.items()
    }
    assert read.getImgIds() == [index + 1 for index in range(len(dataset))]
    for index, record in enumerate(dataset):
        image = read.loadImgs(index + 1)[0]
        assert image["file_name"] == f"{record.key}.JPEG"
        found = read.loadAnns(read.getAnnIds(imgIds=[index + 1]))
        assert [
            (names[each["category_id"]].wnid, tuple(each["bbox"]), each["area"]) for each in found
        ] == [
            (what.wnid, (x1, y1, x2 - x1, y2 - y1), (x2 - x1) * (y2 - y1))
            for what, (x1, y1, x2, y2) in zip(scene(record).objects, record.boxes, strict=True)
        ]


def images(datasets, split):
    return {image["file_name"]: image for image in document(datasets, "det", split)["images"]}


def test_what_is_not_known_of_a_train_image_is_in_neither_field_of_lvis(datasets):
    train = images(datasets, "train")
    known = [
        (
            train[f"{name}.JPEG"]["neg_category_ids"],
            train[f"{name}.JPEG"]["not_exhaustive_category_ids"],
        )
        for name in ("n02085620_10", "n02085620_11", "n02085620_13", "ILSVRC2013_train_00000001")
    ]
    assert known == [([], []), ([CAT], []), ([], [DOG]), ([DOG], [])]


def test_all_classes_of_a_val_image_are_known_but_those_of_the_blacklist(datasets):
    val = document(datasets, "det", "val")
    for image in val["images"]:
        present = {a["category_id"] for a in val["annotations"] if a["image_id"] == image["id"]}
        partly = {DOG} if image["number"] == 3 else set()
        assert set(image["not_exhaustive_category_ids"]) == partly
        assert set(image["neg_category_ids"]) == set(range(1, 201)) - present - partly
    test = document(datasets, "det", "test")
    assert all(image["neg_category_ids"] == [] for image in test["images"])


def test_lvis_counts_and_frequencies_are_those_of_the_file(datasets):
    train = document(datasets, "det", "train")
    for category in train["categories"]:
        boxes = [a for a in train["annotations"] if a["category_id"] == category["id"]]
        count = len({a["image_id"] for a in boxes})
        assert (category["instance_count"], category["image_count"]) == (len(boxes), count)
        assert category["frequency"] == ("r" if count <= 10 else "c")
    assert {a.get("subcategory") for a in train["annotations"]} == {None, "n02085620", "n02123045"}


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
def test_lvis_scores_the_boxes_of_det_against_themselves(datasets, monkeypatch):
    lvis = pytest.importorskip("lvis", reason="pip install lvis")
    monkeypatch.setattr(np, "float", float, raising=False)  # NumPy has had none since 1.24
    read = lvis.LVIS(str(datasets / "det" / "train" / "annotations.coco.json"))
    guesses = [
        {"image_id": each["image_id"], "category_id": each["category_id"], "score": 0.9}
        | {"bbox": list(each["bbox"])}
        for each in read.anns.values()
    ]
    assert len(guesses) == 36
    scores = lvis.LVISEval(read, lvis.LVISResults(read, guesses), "bbox")
    scores.run()
    assert scores.get_results()["AP"] == 1
    # guesses at dogs count where it is known whether there is one
    known = {image["id"] for image in read.dataset["images"] if DOG in image["neg_category_ids"]}
    known |= {each["image_id"] for each in read.anns.values() if each["category_id"] == DOG}
    assert 0 < len(known) < len(read.get_img_ids())
    dogs = [
        {"image_id": image, "category_id": DOG, "score": 0.9, "bbox": [0, 0, 5, 5]}
        for image in read.get_img_ids()
    ]
    scores = lvis.LVISEval(read, lvis.LVISResults(read, dogs), "bbox")
    scores.run()
    judged = {image for image in read.get_img_ids() if scores._dts[image, DOG]}
    assert judged == known


@pytest.mark.parametrize("frames", [None, ("every", "4")])
def test_frames_of_a_video_are_placed_as_cocovid_indexes_them(datasets, tmp_path, frames):
    """mmtracking's and mmdetection's CocoVID puts an image at the index frame_id of its video."""
    out = tmp_path / "vid"
    converted(made(datasets, "vid"), out, options=Options(frames=frames))
    for split in ("train", "val"):
        found = document(tmp_path, "vid", split)
        for video in found["videos"]:
            of_video = [i for i in found["images"] if i["video_id"] == video["id"]]
            places = [-1] * len(of_video)
            for image in of_video:
                places[image["frame_id"]] = image["published_frame"]
                assert image["file_name"].startswith(video["name"])
                assert image["is_vid_train_frame"] == (split == "train")
            assert places == sorted(places)
            expected = list(range(len(of_video))) if split == "train" else []
            assert video["vid_train_frames"] == expected
        assert len(found["videos"]) == (3 if split == "train" else 2)


def test_an_instance_is_one_thing_of_one_video(datasets):
    found = document(datasets, "vid", "train")
    videos: dict[int, set[tuple[int, int]]] = {}
    for each in found["annotations"]:
        videos.setdefault(each["instance_id"], set()).add((each["video_id"], each["category_id"]))
        assert each["occluded"] in (True, False)
    assert sorted(videos) == [1, 2, 3, 4]  # a 0 would count as missing
    assert all(len(each) == 1 for each in videos.values())
    assert {video["name"]: len(video["category_ids"]) for video in found["videos"]} == {
        "ILSVRC2015_train_00000000": 1,
        "ILSVRC2015_train_00000001": 2,
        "ILSVRC2015_train_00001000": 1,
    }
