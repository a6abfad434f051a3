"""The localisation error of ILSVRC, against values worked out by hand."""

import io
import json
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import guesses
from imnet_data.evaluation.localization import evaluate_localization, read_split
from imnet_data.imagenet import labels
from imnet_data.metrics.localization import Guess, judge
from imnet_data.record import Box
from imnet_data.sources import boxes as source_boxes

WNIDS = labels.val_wnids()[:4]
BOX = Box(10, 10, 59, 59)
OTHER = next(wnid for wnid in labels.ilsvrc2012_wnids() if wnid not in WNIDS)
KEYS = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 5)]


def guess(wnid, x=0, box=BOX):
    return Guess(wnid, (box.xmin + x, box.ymin, box.xmax + x, box.ymax))


def test_an_image_is_right_if_one_of_five_guesses_has_class_and_box():
    wnid = WNIDS[0]
    near, far = guess(wnid, 5), guess(wnid, 40)
    wrong = [guess(OTHER)] * 4
    assert judge(wnid, [BOX], [near]) == (True, True, True, True, True)
    assert judge(wnid, [BOX], [*wrong, near]) == (False, True, False, True, True)
    assert judge(wnid, [BOX], [*wrong, guess(OTHER), near]) == (False, False, False, False, True)
    assert judge(wnid, [BOX], [far, near]) == (True, True, False, True, False)
    assert judge(wnid, [BOX], [guess(OTHER)]) == (False, False, False, False, True)
    assert judge(wnid, [Box(200, 200, 210, 210), BOX], [near]).top5_located
    assert judge(wnid, [BOX], []) == (False,) * 5


@pytest.mark.parametrize(("shift", "fits"), [(16, True), (17, False)])
def test_half_is_enough_and_both_corners_are_in_a_box(shift, fits):
    """50 by 50, moved by 16: 1700 / 3300 = 0.515; by 17: 1650 / 3350 = 0.493."""
    assert judge(WNIDS[0], [BOX], [guess(WNIDS[0], shift)]).top1_located is fits
    square = Box(0, 0, 8, 8)  # 9 by 9; moved by 3: 54 / 108, which is exactly half
    assert judge(WNIDS[0], [square], [guess(WNIDS[0], 3, square)]).top1_located


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loc")
    tars = folder / "tars"
    tars.mkdir()
    file = io.BytesIO()
    Image.fromarray(np.full((100, 120, 3), 90, np.uint8)).save(file, "JPEG")
    corners = "".join(f"<{side}>{value}</{side}>" for side, value in BOX._asdict().items())
    size = "<size><width>120</width><height>100</height></size>"
    for name, suffix, content in (
        ("ILSVRC2012_img_val.tar", "JPEG", file.getvalue()),
        (
            "ILSVRC2012_bbox_val_v3.tgz",
            "xml",
            f"<annotation>{size}<object><bndbox>{corners}</bndbox></object></annotation>".encode(),
        ),
    ):
        with tarfile.open(tars / name, "w:gz" if name.endswith("tgz") else "w") as tar:
            for key in KEYS:
                member = tarfile.TarInfo(f"{'val/' * (suffix == 'xml')}{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    options = Options(boxes=True, classes=tuple(sorted(set(WNIDS))))
    convert(tars, folder / "out", options=options, workers=1)
    return folder / "out"


FOUND = {
    KEYS[0]: (guess(WNIDS[0]),),
    KEYS[1]: (guess(WNIDS[1], 40),),  # the box is wrong
    KEYS[2]: (guess(OTHER),),  # the class is wrong
}  # of the fourth there is no guess


def test_the_official_error_leaves_blacklisted_images_out_and_others_do_not(dataset):
    split = read_split(dataset)
    result = evaluate_localization(split, {"a": FOUND}, blacklist=frozenset({2, 50_000}))
    assert result.counts[0].top5_located == (1, 4)
    assert result.official is not None
    assert result.official.top5_located == (1, 3)
    assert result.counts[0].top1 == (2, 4)
    assert result.counts[0].known == (2, 4)
    assert (result.blacklisted_count, result.listed_count) == (1, 2)
    assert (result.silent_count, result.unknown_count, result.boxless_count) == (1, 0, 0)
    assert evaluate_localization(split, {"a": FOUND}).official is None


def test_max_box_accuracy_is_that_of_the_best_file(dataset):
    better = FOUND | {KEYS[3]: (guess(WNIDS[3]),)}
    result = evaluate_localization(read_split(dataset), {"a": FOUND, "b": better, "c": {}})
    assert [each.known.correct for each in result.counts] == [2, 3, 0]
    assert result.max_box_accuracy == (3, 4)


def test_kaggles_csv_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "LOC.csv"
    path.write_bytes(guesses.submission(FOUND))
    assert guesses.read(path, KEYS) == FOUND
    six = {KEYS[0]: (guess(WNIDS[0], 0.25),) * 6}
    path.write_bytes(guesses.submission(six))
    assert guesses.read(path, KEYS) == {KEYS[0]: (guess(WNIDS[0], 0.25),) * 5}


def test_the_solution_is_a_csv_that_sources_read(dataset):
    text = guesses.solution(read_split(dataset).truth).decode()
    header, *rows = text.splitlines()
    assert header == "ImageId,PredictionString"
    found = [source_boxes.from_csv_row(row, archive="x") for row in rows]
    assert [(each.key, each.boxes, wnid) for each, wnid in found] == [
        (key, (BOX,), wnid) for key, wnid in zip(KEYS, WNIDS, strict=True)
    ]


def devkit_line(wnid, box=BOX):
    return f"{labels.wnids_of('ilsvrc').index(wnid)} {' '.join(map(str, box))}"


def test_lines_of_the_devkit_are_images_by_name_and_ids_of_its_own(tmp_path):
    path = tmp_path / "pred.txt"
    path.write_text("".join(f"{devkit_line(wnid)}\n" for wnid in WNIDS))
    expected = {key: (guess(wnid),) for key, wnid in zip(KEYS, WNIDS, strict=True)}
    assert guesses.read(path, KEYS) == expected
    whole = [devkit_line(wnid) for wnid in WNIDS] + [""] * 49_996
    path.write_text("\n".join(whole) + "\n")
    assert guesses.read(path, KEYS[1:3]) == {key: expected[key] for key in KEYS[1:3]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 2 3\n" * 4, "is not groups of a class and four corners"),
        ("1001 1 2 3 4\n" * 4, "line 1 has the class 1001"),
        ("1 1 2 3 4\n" * 5, "it has 5 lines, for 4 images that are here, of 50000"),
        ("ImageId,PredictionString\nILSVRC2012_val_00000001,7 1 2 3 4\n", "'7' is no wnid"),
        ("ImageId,PredictionString\nILSVRC2012_val_00000001\n", "has no comma"),
        ("1 a 2 3 4\n" * 4, "is not a file of guesses"),
    ],
)
def test_a_damaged_file_of_guesses_is_one_line(tmp_path, dataset, content, words):
    path = tmp_path / "file"
    path.write_text(content)
    done = CliRunner().invoke(main, ["evaluate", str(dataset), "--localization", str(path)])
    assert done.exit_code == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


NAME = "ILSVRC2014_clsloc_validation_blacklist.txt"


def test_the_blacklist_is_read_from_a_file_a_devkit_and_its_archive(tmp_path):
    (tmp_path / "devkit/data").mkdir(parents=True)
    (tmp_path / f"devkit/data/{NAME}").write_text("36\n50\n")
    with tarfile.open(tmp_path / "devkit.tgz", "w:gz") as tar:
        tar.add(tmp_path / "devkit", "ILSVRC2014_devkit")
    for name in ("devkit", "devkit/data", f"devkit/data/{NAME}", "devkit.tgz"):
        assert guesses.read_blacklist(tmp_path / name) == {36, 50}
    (tmp_path / f"devkit/data/{NAME}").write_text("0\n50001\n")
    for name in (".", "devkit", "nowhere"):
        with pytest.raises(EvaluationError):
            guesses.read_blacklist(tmp_path / name)


def test_the_command_prints_both_denominators_and_writes_both_files(dataset, tmp_path):
    (tmp_path / "guesses.csv").write_bytes(guesses.submission(FOUND))
    (tmp_path / "list.txt").write_text("2\n")
    words = ["evaluate", str(dataset), "--localization", str(tmp_path / "guesses.csv")]
    more = ["--blacklist", str(tmp_path / "list.txt"), "--submission", str(tmp_path / "s.csv")]
    more += ["--solution", str(tmp_path / "LOC_val_solution.csv")]
    done = CliRunner().invoke(main, words + more)
    assert done.exit_code == 0, done.output
    row = next(line for line in done.output.splitlines() if "localisation error, top 5" in line)
    assert row.split("top 5")[1].split() == ["66.667", "%", "of", "3", "75.000", "%", "of", "4"]
    assert "MaxBoxAcc: 50.000 % of 4" in done.output
    assert "note: the blacklist has 1 images, the published one 1,762" in done.output
    assert "note: 1 images have no guess, and count as wrong" in done.output
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "guesses.csv").read_bytes()
    assert len((tmp_path / "LOC_val_solution.csv").read_text().splitlines()) == 5
    again = CliRunner().invoke(main, words + more)
    assert again.exit_code == 1  # both files are there
    told = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    assert told["official"] is None
    assert told["max_box_accuracy"] == [2, 4]
    assert "add --blacklist DEVKIT" in CliRunner().invoke(main, words).output


def test_one_of_model_detections_and_localization_is_needed(dataset):
    for words in ([], ["--model", "resnet18", "--detections", str(dataset)]):
        done = CliRunner().invoke(main, ["evaluate", str(dataset), *words])
        assert done.exit_code == 2
        assert "one of --model, --detections and --localization" in done.stderr
