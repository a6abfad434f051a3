"""mCE, AUPR, several right labels, ten classes of 1000, and the other annotations of val."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import Model, Protocol, evaluate, measures, overlays, text
from imnet_data.evaluation.together import together
from imnet_data.imagenet import class_lists, labels, variants
from imnet_data.imagenet.corruptions import ALEXNET, ALEXNET_CLEAN, CorruptionErrors
from imnet_data.metrics.unknown import aupr
from imnet_data.transforms import EvalRecipe

WNIDS, VAL = labels.ilsvrc2012_wnids(), labels.val_wnids()
LABEL = {wnid: label for label, wnid in enumerate(WNIDS)}
STEP = 12  # of grey, between images that are told apart


def grey(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (224, 224), level * STEP).save(file, "JPEG", quality=100)
    return file.getvalue()


def model(said: dict[int, int], sure: dict[int, float] | None = None, **more) -> Model:
    """Return a model that says a label for each level of grey."""

    def logits(images, recipe):
        levels = np.rint(images[:, 100, 100, 0] / STEP).astype(int)
        table = np.zeros((len(images), 1000), np.float32)
        for row, level in enumerate(levels):
            table[row, said[level]] = (sure or {}).get(level, 9.0)
        return table

    return Model("test", logits, **more)


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def val_images(levels: dict[int, int]) -> dict[str, bytes]:
    """Give val images by number, each of a level of grey."""
    return {f"val/ILSVRC2012_val_{n:08d}.JPEG": grey(level) for n, level in levels.items()}


def made(source: Path, out: Path) -> Path:
    of_val = (source / "val").is_dir()  # some of its images, which need not be of all classes
    options = Options(jpeg="original", classes=WNIDS if of_val else None)
    convert(source, out, options=options, workers=1)
    return out


def test_mce_is_that_of_the_formula_and_is_100_for_alexnet():
    alexnet = CorruptionErrors(dict(ALEXNET), is_whole=True, has_all_images=True)
    assert alexnet.mce() == pytest.approx(100)
    assert alexnet.relative_mce(ALEXNET_CLEAN) == pytest.approx(100)
    halves = CorruptionErrors({name: error / 2 for name, error in ALEXNET.items()}, True, True)
    assert halves.mce() == pytest.approx(50)
    wanted = [100 * (e / 2 - 0.2) / (e - ALEXNET_CLEAN) for e in ALEXNET.values()]
    assert halves.relative_mce(0.2) == pytest.approx(sum(wanted) / 15)
    part = CorruptionErrors({"snow": 0.5, "spatter": 0.1}, is_whole=False, has_all_images=False)
    assert part.mce() is None
    assert part.relative_mce(0.2) is None
    assert part.relative_to_alexnet() == {"snow": pytest.approx(100 * 0.5 / ALEXNET["snow"])}


@pytest.fixture(scope="module")
def corrupted(tmp_path_factory) -> Path:
    """All 15 corruptions in 5 severities of two images; the second is wrong from severity 4 on."""
    folder = tmp_path_factory.mktemp("c")
    files = {
        f"{name}/{severity}/{VAL[n - 1]}/ILSVRC2012_val_{n:08d}.JPEG": grey(
            3 if n == 2 and severity >= 4 else n
        )
        for name in (*ALEXNET, "spatter")
        for severity in range(1, 6)
        for n in (1, 2)
    }
    return made(write_tree(folder / "in", files), folder / "out")


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    return made(write_tree(folder / "in", val_images({1: 1, 2: 2, 3: 2, 4: 2})), folder / "out")


SAID = {1: LABEL[VAL[0]], 2: LABEL[VAL[1]], 3: 7}


def test_mce_of_a_dataset_counts_severities_alike_and_its_images_are_not_resized(corrupted, clean):
    scored = evaluate(model(SAID), corrupted)
    assert scored.protocol.recipes == (EvalRecipe(resize=224, crop=224),)
    assert scored.corruptions is not None
    assert scored.corruptions.errors["fog"] == pytest.approx(2 / 5 / 2)
    mce = sum(100 * 0.2 / error for error in ALEXNET.values()) / 15
    assert scored.measures[0].name == "mCE"
    assert scored.measures[0].document == pytest.approx(mce)
    assert f"{mce:.2f} % of AlexNet's errors" in text.text(scored)
    assert "of a part of the images: not to be compared" in text.text(scored)
    assert "relative mCE" not in text.text(scored)
    of_clean = evaluate(model(SAID), clean)
    error = 1 - of_clean.results.accuracy().correct / 4
    assert error == 0.5
    _, both = together([of_clean, scored])
    relative = sum(100 * (0.2 - 0.5) / (e - ALEXNET_CLEAN) for e in ALEXNET.values()) / 15
    assert both.measures[1].name == "relative mCE"
    assert both.measures[1].document == pytest.approx(relative)
    document = json.loads(text.to_json([both]))[0]
    assert document["measures"]["spatter"] == {"error": 0.2, "corruption_error": None}


def test_the_area_is_average_precision_with_ties_taken_together():
    assert aupr(np.array([9, 8]), np.array([1, 2])) == 1
    # from the least sure on: unknown, known, unknown, known
    assert aupr(np.array([2, 4]), np.array([1, 3])) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert aupr(np.array([5, 5, 5]), np.array([5])) == 1 / 4
    with pytest.raises(ValueError, match="at least one of each"):
        aupr(np.array([1]), np.array([], np.int64))


def test_the_area_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(0)
    known, unknown = random.integers(20, 60, 300), random.integers(0, 50, 80)
    truth = np.repeat([0, 1], [300, 80])
    expected = metrics.average_precision_score(truth, -np.concatenate([known, unknown]))
    assert aupr(known, unknown) == pytest.approx(expected)


def test_o_is_scored_against_the_val_images_of_its_classes_and_alone_not_at_all(tmp_path):
    of_o = variants.wnids("imagenet-o")
    inside = [n for n, wnid in enumerate(VAL, 1) if wnid in of_o][:2]
    outside = next(n for n, wnid in enumerate(VAL, 1) if wnid not in of_o)
    val = made(
        write_tree(tmp_path / "val", val_images({inside[0]: 1, inside[1]: 2, outside: 3})),
        tmp_path / "clean",
    )
    files = {f"imagenet-o/{of_o[0]}/{level}.jpg": grey(level) for level in (4, 5)}
    unknown = made(write_tree(tmp_path / "o", files), tmp_path / "unknown")
    said = dict.fromkeys(range(1, 6), LABEL[of_o[9]])
    said[1], said[2] = LABEL[VAL[inside[0] - 1]], LABEL[VAL[inside[1] - 1]]
    sure = {1: 6.0, 2: 3.0, 3: 0.0, 4: 1.0, 5: 4.0}  # 5 is surer than the known 2
    protocol = Protocol(among="imagenet-o")
    both = [evaluate(model(said, sure), root, protocol=protocol) for root in (val, unknown)]
    assert both[0].confidences_among is not None
    assert len(both[0].confidences_among) == 2  # not the one of another class
    scored = together(both)[1]
    assert scored.measures[-1].name == "AUPR"
    assert scored.measures[-1].document == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert not scored.has_labels
    shown = text.text(scored)
    assert "top-1" not in shown
    assert "2 images against 2 of ILSVRC2012's val, among 200 classes" in shown
    assert json.loads(text.to_json([scored]))[0]["top1"] is None
    with pytest.raises(EvaluationError, match="pass a dataset that has them, too"):
        together(both[1:])
    result = CliRunner().invoke(main, ["evaluate", str(unknown), "--model", "resnet18"])
    assert result.exit_code == 1


def test_any_right_class_of_hard_counts(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    columns = {
        "image": [{"bytes": grey(level), "path": None} for level in (1, 2, 3)],
        "label": [[5, 7], [5], [9, 8, 7]],
        "english_label": [["x"]] * 3,
    }
    pq.write_table(pa.table(columns), tmp_path / "validation-00000-of-00001.parquet")
    scored = evaluate(model({1: 7, 2: 7, 3: 7}), made(tmp_path, tmp_path.parent / "hard"))
    assert scored.measures[0].name == "any right class"
    assert scored.measures[0].document == {"correct": 2, "total": 3}
    assert "of which 2 have several right classes" in scored.measures[0].text
    assert scored.results.accuracy().correct == 0


def test_a_model_of_1000_classes_is_scored_among_the_ten_of_imagenette(tmp_path):
    ten = class_lists.wnids("imagenette")
    files = {
        f"imagenette2-160/val/{wnid}/{wnid}_1.JPEG": grey(level + 1)
        for level, wnid in enumerate(ten)
    }
    root = made(write_tree(tmp_path / "in", files), tmp_path / "out")
    said = {level + 1: LABEL[wnid] for level, wnid in enumerate(ten)} | {3: 5}
    scored = evaluate(model(said), root)
    assert scored.class_count == 10
    assert scored.results.accuracy() == (9, 10)  # what is none of the ten is dropped
    with pytest.raises(EvaluationError, match="of the dataset alone"):
        evaluate(model(said, classes=tuple(f"n{n:08d}" for n in range(1000))), root)


@pytest.fixture(scope="module")
def val(tmp_path_factory) -> Path:
    """Val images 1 to 6, of which a model gets 1 to 4 right."""
    folder = tmp_path_factory.mktemp("val")
    images = val_images({number: number for number in range(1, 7)})
    return made(write_tree(folder / "in", images), folder / "out")


RIGHT = {number: LABEL[VAL[number - 1]] for number in range(1, 5)} | {5: 3, 6: 4}


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def scored_by(path: Path, root: Path) -> dict[str, measures.Measure]:
    scored = evaluate(model(RIGHT), root)
    found = overlays.measured(scored.results, root, [overlays.read(path)])
    assert found
    shown = text.text(scored._replace(measures=found))
    assert all(measure.text in shown for measure in found)
    return {measure.name: measure for measure in found}


def test_several_labels_leave_out_problematic_images_and_have_a_mean_by_class(val, tmp_path):
    annotated = {name(n): {"correct": [VAL[n - 1]], "wrong": [], "unclear": []} for n in (1, 2, 3)}
    annotated[name(4)] = {"correct": [WNIDS[0]], "wrong": [VAL[3]], "unclear": []}
    annotated[name(5)] = {"correct": [VAL[4], WNIDS[3]], "wrong": [], "unclear": []}
    annotated[name(6)] = {"correct": [], "wrong": [], "unclear": [WNIDS[4]]}
    document = {
        "initial_annots": annotated,
        "problematic_images": {name(3): "two images in one"},
        "imagenet_m": [name(4), name(5)],
    }
    path = tmp_path / "human_accuracy_v3.0.0.json"
    path.write_text(json.dumps(document))
    found = scored_by(path, val)
    assert found["multi-label"].document == {"correct": 3, "total": 4}
    assert found["ImageNet-M"].document == {"correct": 1, "total": 2}
    of_class: dict[str, list[bool]] = {}
    for number, right in ((1, True), (2, True), (4, False), (5, True)):
        of_class.setdefault(VAL[number - 1], []).append(right)
    mean = 100 * sum(sum(each) / len(each) for each in of_class.values()) / len(of_class)
    assert found["multi-label, by class"].document == pytest.approx(mean)


def factors(number: int, **more: int) -> str:
    row = {"file_name": name(number), "class": LABEL[VAL[number - 1]], "pose": 0, "color": 0}
    return json.dumps({**row, **more, "justification": "x", "one_word": "y"})


def test_factors_have_an_error_ratio(val, tmp_path):
    path = tmp_path / "imagenet_x_val_multi_factor.jsonl"
    lines = [factors(1), factors(2, pose=1), factors(4, color=1), factors(5, pose=1, color=1)]
    path.write_text("\n".join(lines))
    found = scored_by(path, val)
    assert set(found) == {"X: pose", "X: color"}
    assert found["X: pose"].document == {"error": 0.5, "error_ratio": 2.0, "images": 2}
    path.write_text(factors(1, **{"class": 3}))
    with pytest.raises(EvaluationError, match="is of class 3 there"):
        scored_by(path, val)


def test_segments_accept_the_classes_of_a_mask_and_merged_ones(val, tmp_path):
    listed = sorted({VAL[0], VAL[1], *[w for w in WNIDS if w not in VAL[:6]][:48]})
    assert len(listed) == 50
    for at, wnid in enumerate(listed, 1):
        pixels = np.zeros((4, 4, 3), np.uint8)
        pixels[:2] = (at % 256, at // 256, 0)
        pixels[3] = (1000 % 256, 1000 // 256, 0)
        number = {VAL[0]: 1, VAL[1]: 2}.get(wnid)
        path = tmp_path / wnid / (f"{name(number)[:-5]}.png" if number else f"{wnid}_9.png")
        path.parent.mkdir()
        if number == 2:  # its mask has another class
            pixels[:2] = ((at % 50) + 1, 0, 0)
        Image.fromarray(pixels).save(path)
    found = scored_by(tmp_path, val)
    assert found["ImageNet-S"].document == {"correct": 1, "total": 2}
    assert "48 of its images are not in this dataset" in found["ImageNet-S"].text
    damaged = tmp_path / VAL[0] / f"{name(1)[:-5]}.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(EvaluationError, match="is damaged"):
        scored_by(tmp_path, val)


@pytest.mark.parametrize(
    ("file", "content"),
    [("a.json", b"{"), ("a.json", b"[1]"), ("a.jsonl", b"{}"), ("b.jsonl", b""), ("c.txt", b"x")],
)
def test_annotations_that_are_none_are_one_line(file, content, tmp_path):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(EvaluationError, match="is damaged, or none of"):
        overlays.read(tmp_path / file)
    with pytest.raises(EvaluationError, match="has masks of 0 classes"):
        overlays.read(tmp_path)


def test_annotations_of_other_images_than_val_are_refused(corrupted, val, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(factors(1, pose=1))
    with pytest.raises(EvaluationError, match="only for the val images of ILSVRC2012"):
        overlays.require_val(corrupted, None)
    path.write_text(factors(900, pose=1))
    with pytest.raises(EvaluationError, match="none of its images is in the dataset"):
        scored_by(path, val)
