"""Other annotations of ILSVRC2012's val images: several labels, factors of variation, segments.

    human_accuracy_v3.0.0.json           the wnids that people call correct, of 20,000 images
    imagenet_x_val_multi_factor.jsonl    ImageNet-X: 16 factors, of 50,000 (or _top_factor)
    validation-segmentation/             ImageNet-S: masks whose pixels are classes, <wnid>/*.png

They have no images, and are read beside a dataset that has them.

Source: tensorflow/datasets, imagenet2012_multilabel; facebookresearch/imagenetx, README.md and
imagenet_x/aggregate.py; LUSSeg/ImageNet-S, README.md and evaluation/.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation.measures import Measure
from imnet_data.imagenet import facts, variants
from imnet_data.imagenet.labels import is_wnid
from imnet_data.machine import files
from imnet_data.metrics import Accuracy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.metrics import Results

_NO_FACTORS = {"file_name", "class", "justification", "one_word", "metaclass"}
_SEGMENT_CLASSES = (50, 300, 919)
_IGNORED = 1000
# classes of ILSVRC2012 that ImageNet-S has under another one
_MERGED = {
    "n04356056": "n04355933",
    "n04493381": "n02808440",
    "n03642806": "n03832673",
    "n04008634": "n03773504",
    "n03887697": "n15075141",
}


class Overlay(Protocol):
    """Annotations that were read."""

    def measures(
        self, results: Results, keys: Sequence[str], classes: Sequence[str]
    ) -> tuple[Measure, ...]:
        """Return what they measure of the predictions for the records with these keys.

        Raises:
            EvaluationError: if they are not of these records.
        """


def read(path: Path) -> Overlay:
    """Read annotations by what they are.

    Raises:
        EvaluationError: if they are none that is known, or damaged.
    """
    if path.is_dir():
        return Segments(path)
    try:
        content = files.read_small(path)
        if path.suffix == ".jsonl":
            return Factors([json.loads(line) for line in content.splitlines() if line.strip()])
        return SeveralLabels(json.loads(content))
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}; pass a file of annotations") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvaluationError(
            f"{path}: is damaged, or none of human_accuracy_v3.0.0.json, "
            f"imagenet_x_val_*_factor.jsonl and a folder of ImageNet-S's masks ({error!r})"
        ) from error


def val_numbers(dataset: Dataset, what: str, option: str) -> list[int]:
    """Return the numbers of the val images that a dataset has.

    Raises:
        EvaluationError: if it has others.
    """
    found = [facts.VAL_KEY.fullmatch(key) for key in dataset.index.key.tolist()]
    if dataset.about.name != variants.ILSVRC2012 or dataset.split != "val" or None in found:
        raise EvaluationError(
            f"{dataset.root}: {what} only for the val images of ILSVRC2012, and this is "
            f"{dataset.split} of {dataset.about.name}; leave out {option}"
        )
    return [int(number[1]) for number in found if number]


def require_val(root: StrPath, split: str | None) -> None:
    """Refuse a dataset that annotations of val cannot be of, before it is scored.

    Raises:
        EvaluationError: if it has other images than ILSVRC2012's val.
    """
    with Dataset.open(root, split or "val") as dataset:
        val_numbers(dataset, "annotations exist", "--overlay")


def measured(results: Results, root: StrPath, overlays: Iterable[Overlay]) -> tuple[Measure, ...]:
    """Return what annotations measure of the predictions for a dataset's val.

    Raises:
        EvaluationError: if they are not of its images.
    """
    with Dataset.open(root, "val") as dataset:
        val_numbers(dataset, "annotations exist", "--overlay")
        keys = [key.decode() for key in dataset.index.key.tolist()]
        of_each = [overlay.measures(results, keys, dataset.about.classes) for overlay in overlays]
    return tuple(measure for found in of_each for measure in found)


def _key(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def _accuracy(correct: int, total: int) -> tuple[str, dict[str, int]]:
    found = Accuracy(correct, total)
    return f"{found.percent:.3f} % ({correct:,} of {total:,})", found._asdict()


def _rows_of(keys: Sequence[str], wanted: Iterable[str], what: str) -> list[tuple[int, str]]:
    row_of = {key: row for row, key in enumerate(keys)}
    rows = [(row_of[key], key) for key in wanted if key in row_of]
    if not rows:
        raise EvaluationError(
            f"{what}: none of its images is in the dataset; it is of ILSVRC2012's val images"
        )
    return rows


class SeveralLabels:
    """The wnids that are correct for an image, as people said."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._correct = {
            _key(name): frozenset(map(str, annotated["correct"]))
            for name, annotated in document["initial_annots"].items()
        }
        self._problematic = frozenset(map(_key, document.get("problematic_images", ())))
        self._major = frozenset(map(_key, document.get("imagenet_m", ())))

    def measures(
        self, results: Results, keys: Sequence[str], classes: Sequence[str]
    ) -> tuple[Measure, ...]:
        """Return accuracy by any correct label, its mean over classes, and that of ImageNet-M."""
        wanted = [
            key
            for key, correct in self._correct.items()
            if correct and key not in self._problematic
        ]
        rows = _rows_of(keys, wanted, "multi-label annotations")
        best = [classes[label] for label in results.top[:, 0].tolist()]
        is_right = {key: best[row] in self._correct[key] for row, key in rows}
        text, document = _accuracy(sum(is_right.values()), len(rows))
        found = [Measure("multi-label", f"{text}; problematic images are left out", document)]
        of_class: dict[int, list[bool]] = {}
        for row, key in rows:
            of_class.setdefault(int(results.labels[row]), []).append(is_right[key])
        mean = 100 * float(np.mean([np.mean(each) for each in of_class.values()]))
        found.append(
            Measure("multi-label, by class", f"{mean:.3f} %, mean of {len(of_class)}", mean)
        )
        major = [key for key in is_right if key in self._major]
        if major:
            text, document = _accuracy(sum(is_right[key] for key in major), len(major))
            found.append(Measure("ImageNet-M", text, document))
        return tuple(found)


class Factors:
    """Which factors of variation an image has: ImageNet-X."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._label = {_key(row["file_name"]): int(row["class"]) for row in rows}
        names = sorted({name for row in rows for name in row} - _NO_FACTORS)
        self._of_factor = {
            name: frozenset(_key(row["file_name"]) for row in rows if row.get(name))
            for name in names
        }
        if not rows or not names:
            raise ValueError("it has no factors")

    def measures(
        self, results: Results, keys: Sequence[str], classes: Sequence[str]
    ) -> tuple[Measure, ...]:
        """Return the error among images with each factor, divided by that among all of them."""
        del classes
        rows = _rows_of(keys, self._label, "ImageNet-X")
        for row, key in rows:
            if int(results.labels[row]) != self._label[key]:
                raise EvaluationError(
                    f"ImageNet-X: {key} is of class {self._label[key]} there, and of "
                    f"{results.labels[row]} in the dataset; convert the dataset with all of its "
                    "1000 classes"
                )
        is_wrong = {key: not results.is_correct[row] for row, key in rows}
        overall = sum(is_wrong.values()) / len(rows)
        found = []
        for name, among in self._of_factor.items():
            wrong = [is_wrong[key] for key in is_wrong if key in among]
            if not wrong:
                continue
            error = sum(wrong) / len(wrong)
            ratio = error / overall if overall else None
            shown = "no error at all" if ratio is None else f"error ratio {ratio:.2f}"
            found.append(
                Measure(
                    f"X: {name}",
                    f"{shown}, error {100 * error:.2f} % of {len(wrong):,}",
                    {"error": error, "error_ratio": ratio, "images": len(wrong)},
                )
            )
        return tuple(found)


class Segments:
    """The classes that masks have, pixel by pixel: ImageNet-S."""

    def __init__(self, folder: Path) -> None:
        """List the masks below a folder.

        Raises:
            EvaluationError: if there are none, or not those of 50, 300 or 919 classes.
        """
        self._folder = folder
        paths = sorted(folder.rglob("*.png"))
        self._masks = {path.stem: path for path in paths if is_wnid(path.parent.name)}
        self._wnids = sorted({path.parent.name for path in self._masks.values()})
        if len(self._wnids) not in _SEGMENT_CLASSES:
            raise EvaluationError(
                f"{folder}: has masks of {len(self._wnids)} classes (<wnid>/*.png), and ImageNet-S "
                f"has {', '.join(map(str, _SEGMENT_CLASSES))}; pass its validation-segmentation"
            )

    def measures(
        self, results: Results, keys: Sequence[str], classes: Sequence[str]
    ) -> tuple[Measure, ...]:
        """Return how often the best label is a class of the mask."""
        rows = _rows_of(keys, self._masks, "ImageNet-S")
        correct = 0
        for row, key in rows:
            best = classes[int(results.top[row, 0])]
            correct += _MERGED.get(best, best) in self._classes_of(key)
        text, document = _accuracy(correct, len(rows))
        others = len(self._masks) - len(rows)
        note = f"; {others:,} of its images are not in this dataset" if others else ""
        return (Measure("ImageNet-S", f"{text} are a class of the mask{note}", document),)

    def _classes_of(self, key: str) -> set[str]:
        path = self._masks[key]
        try:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB")).astype(np.int64)
        except (OSError, ValueError) as error:
            raise EvaluationError(f"{path}: is damaged ({error}); unpack it again") from error
        numbers = set(np.unique(pixels[..., 0] + 256 * pixels[..., 1]).tolist()) - {0, _IGNORED}
        if numbers and max(numbers) > len(self._wnids):
            raise EvaluationError(
                f"{path}: has the class {max(numbers)}, and there are {len(self._wnids)}; it is of "
                "another ImageNet-S"
            )
        return {self._wnids[number - 1] for number in numbers}
