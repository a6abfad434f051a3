"""The results of detection, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imnet_data.evaluation.detection import mean
from imnet_data.imagenet.detection import DET, VID, categories

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imnet_data.evaluation.detection import DetectionResult


def text(result: DetectionResult) -> str:
    """Return the results as lines."""
    return "\n".join(_lines(result))


def _lines(result: DetectionResult) -> Iterator[str]:
    yield (
        f"{result.dataset_name}, {result.split}: {result.image_count:,} images, digest "
        f"{result.digest[:16]}"
    )
    yield (
        f"{result.detection_count:,} detections on {result.box_count:,} boxes of "
        f"{len(result.by_class)} classes"
    )
    yield ""
    names = {each.number: each.name for each in categories(result.dataset_name)}
    width = max(map(len, names.values()))
    for number, value in result.by_class.items():
        yield f"{names[number]:{width}}  {100 * value:6.2f}"
    yield f"{'mean AP':{width}}  {100 * result.mean:6.2f}"
    for speed, by_class in result.by_speed.items():
        count = len(by_class)
        yield f"{f'mean AP, {speed}':{width}}  {100 * mean(by_class):6.2f}  ({count} classes)"
    notes = list(_notes(result))
    if notes:
        yield ""
        yield from (f"note: {note}" for note in notes)


def _notes(result: DetectionResult) -> Iterator[str]:
    if result.published_count not in (None, result.image_count):
        yield f"{result.dataset_name} has {result.published_count:,} images in {result.split}"
    class_count = len(categories(result.dataset_name))
    if len(result.by_class) < class_count:
        yield f"{class_count - len(result.by_class)} classes have no box here, and no AP"
    if result.left_out_count:
        yield f"{result.left_out_count:,} detections are of images that are not here"
    if result.dataset_name == DET:
        pairs = result.ignored_pair_count
        yield (
            f"{pairs:,} pairs of image and class are on the blacklist, and not scored"
            if pairs
            else "the dataset was made without the devkit's blacklist, so no pair is left out"
        )
    if result.dataset_name == VID and result.generated == "skip":
        yield f"{result.skipped_count:,} frames have boxes that a tracker drew, and were skipped"
    elif result.dataset_name == VID:
        yield "boxes that a tracker drew are scored, as the devkit's program does"
    if result.is_shrunk:
        yield "images were shrunk, so overlaps and thresholds are not those of the published ones"


def document(result: DetectionResult) -> str:
    """Return the results as one JSON document."""
    names = {each.number: each.wnid for each in categories(result.dataset_name)}

    def told(by_class: Mapping[int, float]) -> dict[str, object]:
        each = {names[number]: value for number, value in by_class.items()}
        return {"mean_average_precision": mean(by_class), "average_precision": each}

    fields = result._asdict()
    del fields["by_class"], fields["by_speed"]
    fields |= told(result.by_class)
    if result.by_speed:
        fields["by_speed"] = {speed: told(each) for speed, each in result.by_speed.items()}
    return json.dumps(fields, indent=1)
