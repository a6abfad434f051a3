"""Average precision against values worked out by hand, and against pycocotools."""

import numpy as np
import pytest

from imnet_data.metrics.boxes import overlaps
from imnet_data.metrics.detection import (
    Detections,
    DetectionScores,
    Truth,
    matched,
    motions,
)

BOX = (10, 10, 59, 59)  # 50 by 50


def truth(*rows, ignored=()):
    table = np.array([row[1] for row in rows], np.float64).reshape(-1, 4)
    return Truth(np.array([row[0] for row in rows], np.int64), table, frozenset(ignored))


def found(*rows):
    return Detections(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
    )


def average(*images, **options):
    scores = DetectionScores(**options)
    for image in images:
        scores.add(*image)
    return {wanted: curve.average_precision for wanted, curve in scores.curves().items()}


def moved(x, y=0, box=BOX):
    return (box[0] + x, box[1] + y, box[2] + x, box[3] + y)


def test_both_corners_are_in_a_box():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 0, 0]], np.float64)
    others = np.array([[5, 0, 14, 9], [9, 9, 20, 20], [10, 10, 20, 20]], np.float64)
    assert overlaps(boxes, others)[0] == pytest.approx([50 / 150, 1 / 243, 0])
    assert overlaps(boxes, boxes)[1] == pytest.approx([1 / 100, 1])


def test_average_precision_is_the_area_over_all_points():
    """Two boxes; right, wrong, right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1."""
    image = truth((1, BOX), (1, moved(200)))
    hits = found((1, 0.9, BOX), (1, 0.8, moved(100)), (1, 0.7, moved(200)))
    assert average((image, hits)) == {1: pytest.approx(0.5 * 1 + 0.5 * 2 / 3)}


def test_a_box_that_is_not_found_takes_its_recall_away():
    image = truth((1, BOX), (1, moved(200)), (1, moved(400)), (2, moved(600)))
    hits = found((1, 0.9, BOX))
    assert average((image, hits)) == {1: pytest.approx(1 / 3), 2: 0.0}


def test_a_duplicate_is_false_and_the_surest_is_matched_first():
    image = truth((1, BOX))
    hits = found((1, 0.6, BOX), (1, 0.9, moved(5)))
    assert average((image, hits)) == {1: 1.0}
    worse = found((1, 0.9, moved(40)), (1, 0.6, BOX))
    assert average((image, worse)) == {1: 0.5}


def test_the_best_box_is_taken_among_those_that_are_free():
    """The first takes the nearer box, so the second, which overlaps more with it, has the other."""
    image = truth((1, BOX), (1, moved(10)))
    hits = found((1, 0.9, moved(1)), (1, 0.8, moved(2)))
    overlap = overlaps(hits.boxes, image.boxes)
    assert matched(image, hits, overlap).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("side", "shift", "right"),
    [
        # 10 by 10: threshold 100 / 400 = 0.25; moved by 6, 40 / 160 = 0.25
        (10, 6, True),
        (10, 7, False),
        # 40 by 40: 1600 / 2500 is more than 0.5; moved by 13, 1080 / 2120 = 0.509, by 14, 0.481
        (40, 13, True),
        (40, 14, False),
    ],
)
def test_the_threshold_of_a_small_box_is_lower(side, shift, right):
    box = (0, 0, side - 1, side - 1)
    assert average((truth((1, box)), found((1, 0.5, moved(shift, box=box))))) == {1: float(right)}


def test_a_class_that_is_blacklisted_in_an_image_does_not_count_there():
    listed = truth((1, BOX), (2, BOX), ignored=[1])
    hits = found((1, 0.9, moved(300)), (2, 0.8, BOX))
    other = truth((1, BOX)), found((1, 0.5, BOX))
    assert average((listed, hits), other) == {1: 1.0, 2: 1.0}
    assert average((truth((1, BOX), (2, BOX)), hits), other) == {1: 0.25, 2: 1.0}


def test_equal_scores_are_in_the_order_of_the_images():
    wrong = truth(), found((1, 0.5, BOX))
    right = truth((1, BOX)), found((1, 0.5, BOX))
    assert average(right, wrong) == {1: 1.0}
    assert average(wrong, right) == {1: 0.5}


def test_a_detection_of_another_class_is_not_matched():
    assert average((truth((1, BOX)), found((2, 0.9, BOX)))) == {1: 0.0}


def random_images(seed):
    draws = np.random.default_rng(seed)

    def boxes(count):
        corners = draws.integers(0, 120, (count, 2))
        return np.hstack([corners, corners + draws.integers(30, 80, (count, 2))]).astype(float)

    images = []
    for _ in range(25):
        count = int(draws.integers(0, 6))
        there = Truth(draws.integers(1, 4, count), boxes(count))
        near = there.boxes + draws.integers(-12, 13, there.boxes.shape)
        extra = boxes(int(draws.integers(0, 8)))
        table = np.vstack([near, extra])
        classes = np.concatenate([there.classes, draws.integers(1, 4, len(extra))])
        scores = draws.permutation(np.linspace(0.01, 0.99, len(table)))
        images.append((there, Detections(classes, scores + draws.uniform(0, 0.001), table)))
    return images


@pytest.mark.parametrize("seed", range(4))
def test_pycocotools_matches_the_same_boxes_at_half_overlap(seed):
    """Of boxes this large all thresholds are 0.5; pycocotools reads precision at 101 recalls."""
    coco = pytest.importorskip("pycocotools.coco", reason="pip install pycocotools")
    cocoeval = pytest.importorskip("pycocotools.cocoeval", reason="pip install pycocotools")
    images = random_images(seed)

    def told(box):
        x1, y1, x2, y2 = box.tolist()
        return {"bbox": [x1, y1, x2 - x1 + 1, y2 - y1 + 1], "area": 1e4, "iscrowd": 0}

    annotations: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    for number, (there, hits) in enumerate(images, 1):
        for wanted, box in zip(there.classes.tolist(), there.boxes, strict=True):
            fields = {"id": len(annotations) + 1, "image_id": number, "category_id": wanted}
            annotations.append(fields | told(box))
        for wanted, score, box in zip(*hits, strict=True):
            fields = {"id": len(results) + 1, "image_id": number, "category_id": int(wanted)}
            results.append(fields | told(box) | {"score": float(score)})
    known, detected = coco.COCO(), coco.COCO()
    categories = [{"id": wanted, "name": str(wanted)} for wanted in (1, 2, 3)]
    pictures = [{"id": number} for number in range(1, len(images) + 1)]
    for each, rows in ((known, annotations), (detected, results)):
        each.dataset = {"images": pictures, "categories": categories, "annotations": rows}
        each.createIndex()
    theirs = cocoeval.COCOeval(known, detected, "bbox")
    theirs.params.iouThrs, theirs.params.maxDets = np.array([0.5]), [1000]
    theirs.params.areaRng, theirs.params.areaRngLbl = [[0, 1e10]], ["all"]
    theirs.evaluate()
    theirs.accumulate()
    scores = DetectionScores()
    for image in images:
        scores.add(*image)
    curves = scores.curves()
    assert sorted(curves) == [1, 2, 3]
    for wanted, curve in curves.items():
        falling = np.maximum.accumulate(curve.precision[::-1])[::-1]
        places = np.searchsorted(curve.recall, theirs.params.recThrs, side="left")
        at = np.append(falling, 0.0)[np.minimum(places, len(falling))]
        assert at == pytest.approx(theirs.eval["precision"][0, :, wanted - 1, 0, 0])


def test_motion_is_the_mean_overlap_with_the_same_thing_nearby():
    """A box of 10 by 10 that moves by 5 pixels: 1/3 with a neighbour, 0 with the one after."""
    at = [np.array([[5.0 * x, 0, 5 * x + 9, 9]]) for x in range(3)]
    tracks = [np.array([7])] * 3
    assert [float(each[0]) for each in motions(at, tracks)] == pytest.approx([1 / 6, 1 / 3, 1 / 6])
    still = [at[0]] * 30
    assert motions(still, [np.array([1])] * 30)[15].tolist() == [1.0]
    assert motions([at[0], at[0]], [np.array([1]), np.array([2])])[0].tolist() == [0.0]


def test_motion_looks_ten_frames_back_and_ahead():
    near, far = np.array([[0.0, 0, 9, 9]]), np.array([[100.0, 0, 109, 9]])
    frames = [near] * 12 + [far] * 12
    found = motions(frames, [np.array([1])] * 24)
    assert float(found[1][0]) == 1.0  # frames 0 to 11
    assert float(found[2][0]) == pytest.approx(11 / 12)  # the last of 12 is at the other place
    assert float(found[11][0]) == pytest.approx(10 / 20)


def test_by_speed_a_box_out_of_the_range_counts_neither_for_nor_against():
    image = truth((1, BOX), (1, moved(200)))
    motion = np.array([0.95, 0.3])
    hits = found((1, 0.9, moved(200)), (1, 0.8, BOX))
    assert average((image, hits, motion), motions=(0.9, 1.0)) == {1: 1.0}
    assert average((image, hits, motion), motions=(0.0, 0.7)) == {1: 1.0}
    assert average((image, hits, motion), motions=(0.7, 0.9)) == {}


def test_by_speed_a_false_detection_is_false_by_what_it_overlaps():
    """One slow box, two fast ones; a detection is 0.9 sure, and the slow box is found after it."""
    image = truth((1, BOX), (1, moved(200)), (1, moved(400)))
    motion, slow = np.array([0.95, 0.3, 0.3]), {"motions": (0.9, 1.0)}

    def precision(box):
        return average((image, found((1, 0.9, box), (1, 0.5, BOX)), motion), **slow)[1]

    assert precision(moved(40)) == pytest.approx(1 / 2)  # it overlaps the slow box: 1 wrong
    assert precision(moved(240)) == pytest.approx(1)  # a fast box: 0
    assert precision(moved(700)) == pytest.approx(1 / (1 + 2 / 3))  # none: 2 of 3 are out of range


def test_by_speed_a_detection_in_an_empty_image_is_false_by_the_share_in_the_range():
    empty = truth(), found((1, 0.9, BOX)), np.zeros(0)
    full = truth((1, BOX)), found((1, 0.5, BOX)), np.array([0.95])
    found_ap = average(empty, full, motions=(0.9, 1.0), empty_share=0.25)
    assert found_ap == {1: pytest.approx(1 / 1.25)}
