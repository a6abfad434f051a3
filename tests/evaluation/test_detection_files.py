"""Detections in files, scored on a split of DET or VID."""

import json

import pytest
from click.testing import CliRunner
from detection_kit import converted, made, scene

from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation.detection import evaluate_detections
from imnet_data.imagenet.detection import number_of


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    for task in ("det", "vid"):
        converted(made(folder, task), folder / task)
    return folder


def rows(root, split="val"):
    """Return image, class, box of each object, images by their number in val.txt."""
    with Dataset.open(root, split) as dataset:
        numbers = number_of(dataset.about.name)
        return [
            (scene(record).number, numbers[what.wnid], box)
            for record in dataset
            for box, what in zip(record.boxes, scene(record).objects, strict=True)
        ]


def lines(path, found, scores=None):
    scores = scores or [0.9] * len(found)
    text = "".join(
        f"{image} {number} {score} {' '.join(map(str, box))}\n"
        for (image, number, box), score in zip(found, scores, strict=True)
    )
    path.write_text(text)
    return path


@pytest.mark.parametrize("task", ["det", "vid"])
def test_the_boxes_themselves_are_worth_everything(datasets, tmp_path, task):
    found = rows(datasets / task)
    result = evaluate_detections(datasets / task, lines(tmp_path / "all.txt", found))
    assert result.mean == 1.0
    assert (result.image_count, result.box_count) == ((6, 8) if task == "det" else (22, 34))
    assert result.detection_count == len(found)
    speeds = {speed: set(each.values()) for speed, each in result.by_speed.items()}
    assert speeds == ({} if task == "det" else {"slow": {1.0}, "medium": {1.0}, "fast": {1.0}})


def test_cocos_results_are_worth_the_same_as_lines(datasets, tmp_path):
    found = rows(datasets / "det")[1:]
    scores = [0.1 + 0.05 * at for at in range(len(found))]
    expected = evaluate_detections(
        datasets / "det", lines(tmp_path / "lines.txt", found, scores)
    ).by_class
    results = [
        {
            "image_id": image,  # val is sorted, so its ids are the numbers
            "category_id": number,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for (image, number, (x1, y1, x2, y2)), score in zip(found, scores, strict=True)
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert evaluate_detections(datasets / "det", path).by_class == expected
    assert sum(expected.values()) < len(expected)


def test_the_blacklist_comes_with_the_dataset(datasets, tmp_path):
    """Image 3 is blacklisted for dogs: what is said of dogs there changes nothing."""
    found = rows(datasets / "det")
    dog = number_of("imagenet-det")["n02084071"]
    wrong = [(3, dog, (0, 0, 3, 3))] * 5
    path = lines(tmp_path / "a.txt", wrong + found, [0.99] * 5 + [0.5] * len(found))
    result = evaluate_detections(datasets / "det", path)
    assert result.mean == 1.0
    assert result.ignored_pair_count == 1
    missed = [row for row in found if row[:2] != (3, dog)]
    assert len(missed) < len(found)
    assert evaluate_detections(datasets / "det", lines(tmp_path / "b.txt", missed)).mean == 1.0


def test_frames_with_boxes_of_a_tracker_are_scored_unless_they_are_skipped(datasets, tmp_path):
    path = lines(tmp_path / "all.txt", rows(datasets / "vid")[:-1])
    whole = evaluate_detections(datasets / "vid", path)
    half = evaluate_detections(datasets / "vid", path, generated="skip")
    assert (whole.skipped_count, half.skipped_count) == (0, 11)
    assert (whole.box_count, half.box_count) == (34, 17)
    assert whole.mean < half.mean == 1.0


def test_no_detections_are_worth_nothing_and_strange_ones_are_counted(datasets, tmp_path):
    (tmp_path / "none.txt").write_text("")
    assert evaluate_detections(datasets / "det", tmp_path / "none.txt").mean == 0.0
    path = lines(tmp_path / "far.txt", [(900, 1, (0, 0, 9, 9))])
    result = evaluate_detections(datasets / "det", path)
    assert (result.left_out_count, result.detection_count) == (1, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 2 3\n", "a line has 3 numbers"),
        ("1 2 0.5 a b c d\n", "is not a file of detections"),
        ("1 201 0.5 1 2 3 4\n", "has the class 201, and imagenet-det has 1 to 200"),
        ("1 2.5 0.5 1 2 3 4\n", "is not an integer"),
        ("1 2 nan 1 2 3 4\n", "not a finite number"),
        ('[{"image_id": 1}]', "is not a file of detections"),
        ("[", "is not a file of detections"),
    ],
)
def test_a_damaged_file_is_one_line_and_exit_status_1(datasets, tmp_path, content, words):
    path = tmp_path / "file"
    path.write_text(content)
    done = CliRunner().invoke(main, ["evaluate", str(datasets / "det"), "--detections", str(path)])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_a_dataset_without_numbers_takes_cocos_results_only(datasets, tmp_path):
    root = made(datasets, "det") / "ILSVRC"
    for name in ("ImageSets", "devkit"):
        (root / name).rename(tmp_path / name)
    try:
        converted(root, tmp_path / "det", split="val")
    finally:
        for name in ("ImageSets", "devkit"):
            (tmp_path / name).rename(root / name)
    path = lines(tmp_path / "all.txt", rows(datasets / "det"))
    with pytest.raises(EvaluationError, match="was made without that list"):
        evaluate_detections(tmp_path / "det", path)
    (tmp_path / "none.json").write_text("[]")
    assert evaluate_detections(tmp_path / "det", tmp_path / "none.json").mean == 0.0


def test_the_command_prints_what_was_scored_and_what_was_not(datasets, tmp_path):
    path = lines(tmp_path / "all.txt", rows(datasets / "vid"))
    out = tmp_path / "small"
    converted(made(datasets, "vid"), out, split="val", options=Options(max_side=64))
    arguments = ["evaluate", str(out), "--detections", str(path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    for words in (
        "imagenet-vid, val: 22 images",
        "mean AP, slow",
        "note: imagenet-vid has 176,126 images in val",
        "note: boxes that a tracker drew are scored",
        "note: images were shrunk",
    ):
        assert words in done.output
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).output)
    assert told["published_count"] == 176_126
    assert set(told["by_speed"]) == {"slow", "medium", "fast"}


@pytest.mark.parametrize(
    ("task", "split", "words"),
    [("det", "test", "has no boxes, which were never published"), ("det", "dev", "")],
)
def test_a_split_without_boxes_is_refused(datasets, tmp_path, task, split, words):
    path = lines(tmp_path / "all.txt", rows(datasets / task))
    if words:
        with pytest.raises(EvaluationError, match=words):
            evaluate_detections(datasets / task, path, split=split)
    else:  # another name of val
        assert evaluate_detections(datasets / task, path, split=split).mean == 1.0
