"""Detections on a split of DET or VID: average precision, and in VID also by speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from imnet_data import arguments
from imnet_data.dataset import description
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import submission
from imnet_data.imagenet.detection import SPLITS, TASKS, VID, number_of
from imnet_data.machine.progress import Step, no_progress
from imnet_data.metrics.detection import SPEEDS, Detections, DetectionScores, Truth, motions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.evaluation.submission import Submission
    from imnet_data.machine.progress import Progress
    from imnet_data.record import Scene

Generated = Literal["score", "skip"]

_PROGRESS_STEP = 1024  # images


class _Image(NamedTuple):
    """One image of the split, with what is true of it."""

    name: int  # what the file of detections calls it by
    truth: Truth
    tracks: NDArray[np.int64]
    snippet: str
    frame: int
    has_generated: bool


class DetectionResult(NamedTuple):
    """What came out, and of what."""

    dataset_name: str
    split: str
    digest: str  # of the split's manifest
    image_count: int
    published_count: int | None  # images that the split has as published
    box_count: int
    detection_count: int  # that were scored
    left_out_count: int  # detections of images that are not here
    skipped_count: int  # images with generated boxes, where those are skipped
    ignored_pair_count: int  # image and class, by the blacklist
    generated: Generated
    by_class: Mapping[int, float]  # number -> AP, of classes that have boxes
    by_speed: Mapping[str, Mapping[int, float]]  # of VID
    is_shrunk: bool  # boxes are in pixels of images that were made smaller

    @property
    def mean(self) -> float:
        """The mean AP of the classes that have boxes."""
        return mean(self.by_class)


def mean(by_class: Mapping[int, float]) -> float:
    """Return the mean over classes; 0 where there are none."""
    return sum(by_class.values()) / len(by_class) if by_class else 0.0


def evaluate_detections(
    root: StrPath,
    detections: StrPath,
    *,
    split: str | None = None,
    generated: Generated = "score",
    progress: Progress = no_progress,
) -> DetectionResult:
    """Score a file of detections on a split of DET or VID.

    Args:
        root: the folder of a dataset.
        detections: lines of a submission, or COCO's results; see `evaluation.submission`.
        split: by default val, or the only one.
        generated: whether frames with boxes that a tracker drew are scored, as the devkit's program
            does, or skipped, as its readme says.
        progress: called now and then.

    Raises:
        EvaluationError: if the dataset is neither, has no boxes or no numbers, or the file is not
            one of detections.
    """
    arguments.one_of("generated", generated, ("score", "skip"))
    dataset = _opened(root, split)
    found = submission.read(arguments.path("detections", detections))
    numbers = number_of(dataset.about.name)
    unknown = set(np.unique(found.classes).tolist()) - {*numbers.values()}
    if unknown:
        raise EvaluationError(
            f"{detections}: has the class {min(unknown)}, and {dataset.about.name} has 1 to "
            f"{len(numbers)}"
        )
    images = _images(dataset, found, str(detections), progress)
    return _scored(dataset, images, found, generated)


def _opened(root: StrPath, split: str | None) -> Dataset:
    path = arguments.path("root", root)
    names = description.read(path).splits
    only = next(iter(names)) if len(names) == 1 else "val"
    dataset = Dataset.open(path, split or only)
    if dataset.about.name not in TASKS:
        raise EvaluationError(
            f"{path}: is {dataset.about.name}, whose images have one class each; detections are "
            f"scored on {' and '.join(TASKS)}"
        )
    if not len(dataset.index.boxes):
        raise EvaluationError(
            f"{path}: {dataset.split} has no boxes, which were never published for test; choose "
            "another split"
        )
    return dataset


def _images(dataset: Dataset, found: Submission, where: str, progress: Progress) -> list[_Image]:
    """Return all images, in the order of their numbers where they are called by those."""
    numbers, images = number_of(dataset.about.name), []
    for at, entry in enumerate(dataset.entries()):
        if at % _PROGRESS_STEP == 0:
            progress(Step("read boxes", at, len(dataset)))
        scene = entry.scene
        assert scene is not None
        if not found.is_coco and not scene.number:
            raise EvaluationError(
                f"{where}: calls images by their numbers in {dataset.split}.txt, and "
                f"{dataset.root} was made without that list; convert it with ImageSets, or pass "
                "COCO's results"
            )
        images.append(
            _Image(
                at + 1 if found.is_coco else scene.number,
                _truth(scene, numbers, entry.boxes),
                np.array([each.track for each in scene.objects], np.int64),
                scene.snippet,
                scene.frame,
                any(each.generated for each in scene.objects),
            )
        )
    return sorted(images, key=lambda image: image.name)


def _truth(
    scene: Scene, numbers: Mapping[str, int], boxes: Sequence[tuple[int, int, int, int]]
) -> Truth:
    return Truth(
        np.array([numbers[each.wnid] for each in scene.objects], np.int64),
        np.array(boxes, np.float64).reshape(-1, 4),
        frozenset(numbers[wnid] for wnid in scene.ignored),
    )


def _scored(
    dataset: Dataset, images: Sequence[_Image], found: Submission, generated: Generated
) -> DetectionResult:
    name = dataset.about.name
    scored = [each for each in images if generated == "score" or not each.has_generated]
    known = np.isin(found.images, np.array([each.name for each in images], np.int64))
    moved = _motions(images) if name == VID else {}
    ranges: dict[str, DetectionScores] = {"": DetectionScores()}
    if name == VID:
        of_all = np.concatenate([np.zeros(0), *(moved[each.name] for each in scored)])
        for speed, ends in SPEEDS.items():
            inside = (of_all >= ends[0]) & (of_all <= ends[1])
            share = float(np.mean(inside)) if len(of_all) else 0.0
            ranges[speed] = DetectionScores(motions=ends, empty_share=share)
    count = 0
    for image in scored:
        part = slice(*np.searchsorted(found.images, [image.name, image.name + 1]))
        of_image = Detections(found.classes[part], found.scores[part], found.boxes[part])
        count += len(of_image.scores)
        for scores in ranges.values():
            scores.add(image.truth, of_image, moved.get(image.name))
    averages = {
        speed: {number: curve.average_precision for number, curve in scores.curves().items()}
        for speed, scores in ranges.items()
    }
    published = SPLITS[name].get(dataset.split)
    return DetectionResult(
        dataset_name=name,
        split=dataset.split,
        digest=dataset.split_description.digest,
        image_count=len(images),
        published_count=published.image_count if published else None,
        box_count=sum(len(each.truth.classes) for each in scored),
        detection_count=count,
        left_out_count=int(np.count_nonzero(~known)),
        skipped_count=len(images) - len(scored),
        ignored_pair_count=sum(len(each.truth.ignored) for each in images),
        generated=generated,
        by_class=averages.pop(""),
        by_speed=averages,
        is_shrunk=dataset.about.options.shrinks,
    )


def _motions(images: Sequence[_Image]) -> dict[int, NDArray[np.float64]]:
    """Return the motion of each image's boxes; frames that are missing have no boxes."""
    found: dict[int, NDArray[np.float64]] = {}
    for snippet in _snippets(images):
        last = max(image.frame for image in snippet)
        frames, tracks = [np.zeros((0, 4))] * (last + 1), [np.zeros(0, np.int64)] * (last + 1)
        for image in snippet:
            frames[image.frame], tracks[image.frame] = image.truth.boxes, image.tracks
        moved = motions(frames, tracks)
        found |= {image.name: moved[image.frame] for image in snippet}
    return found


def _snippets(images: Sequence[_Image]) -> Iterator[list[_Image]]:
    of_snippet: dict[str, list[_Image]] = {}
    for image in images:
        of_snippet.setdefault(image.snippet, []).append(image)
    yield from of_snippet.values()
