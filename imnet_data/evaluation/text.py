"""An evaluation in words, as JSON, and as a row of timm's results."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from imnet_data.imagenet import labels
from imnet_data.metrics import CONFIDENCE_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.evaluation.evaluate import Evaluation
    from imnet_data.evaluation.scoring import Protocol
    from imnet_data.metrics import Accuracy
    from imnet_data.transforms import EvalRecipe

# of timm's results/results-imagenet.csv
CSV_COLUMNS = (
    "model",
    "img_size",
    "top1",
    "top1_err",
    "top5",
    "top5_err",
    "param_count",
    "crop_pct",
    "interpolation",
)
_WORST_CLASSES = 10
_TAKEN_FOR = 3  # classes that a class is mostly taken for


def headline(told: Evaluation) -> str:
    """Return what was evaluated, and the one number."""
    share = told.results.accuracy().percent
    return f"top-1 {share:.3f} %: {told.model_name} on {told.split} of {told.dataset_name}"


def facts(told: Evaluation) -> list[tuple[str, str]]:
    """Return name and value of each fact."""
    results, total = told.results, len(told.results.labels)
    rows = [
        ("top-1", accuracy_text(results.accuracy())),
        ("top-5", accuracy_text(results.accuracy(5))),
    ]
    if told.real is not None:
        none = total - told.real.total
        rows.append(("ReaL", f"{accuracy_text(told.real)}; {none:,} have no ReaL label"))
    error = results.calibration().error
    rows += [
        ("calibration error", f"{error:.4f} (15 bins of confidence)"),
        ("records", f"{total:,}, each scored once{_of_published(told)}"),
        ("classes", f"{told.class_count:,} told apart, of {len(told.classes):,}"),
        ("views", protocol_text(told.protocol)),
        ("digest", told.digest[:16]),
    ]
    if told.parameter_count is not None:
        rows.append(("parameters", f"{told.parameter_count:,}"))
    return rows


def _of_published(told: Evaluation) -> str:
    if told.published_count is None:
        return ""
    if told.published_count == len(told.results.labels):
        return ", all that were published"
    return f"; published are {told.published_count:,}: not to be compared with published numbers"


def accuracy_text(accuracy: Accuracy) -> str:
    """Return a share with the integers that it is made of."""
    return f"{accuracy.percent:.3f} % ({accuracy.correct:,} of {accuracy.total:,})"


def protocol_text(protocol: Protocol) -> str:
    """Say what was done to a record."""
    crops = "ten crops" if protocol.crops == "ten" else "centre crop"
    recipes = [_recipe_text(recipe) for recipe in protocol.recipes]
    words = f"{crops} of {' and '.join(recipes)}"
    if len(protocol.views()) > 1:
        words += f"; mean of {protocol.average} over {len(protocol.views())} views"
    return words


def _recipe_text(recipe: EvalRecipe) -> str:
    border = f"{recipe.border} pixels cut off each edge, " if recipe.border else ""
    return f"{recipe.crop} pixels, {border}shorter side resized to {recipe.resize}, {recipe.filter}"


def worst_classes(told: Evaluation) -> list[tuple[str, str, str]]:
    """Return class, accuracy, and what it is taken for, of the classes with the least accuracy."""
    ranked = sorted(told.results.by_class().items(), key=lambda item: (item[1].percent, item[0]))
    rows = []
    for label, accuracy in ranked[:_WORST_CLASSES]:
        taken_for = list(told.results.taken_for(label).items())[:_TAKEN_FOR]
        named = [f"{class_text(told, other)} ({count:,})" for other, count in taken_for]
        rows.append((class_text(told, label), accuracy_text(accuracy), ", ".join(named)))
    return rows


def class_text(told: Evaluation, label: int) -> str:
    """Name a class by its first word and wnid; there are two cranes and two maillots."""
    wnid, first = told.classes[label], word(told, label)
    return wnid if first == wnid else f"{first} {wnid}"


def word(told: Evaluation, label: int) -> str:
    """Return the first word of a class, or its wnid where there is none."""
    wnid = told.classes[label]
    return labels.words_of().get(wnid, wnid).partition(",")[0]


def text(told: Evaluation) -> str:
    """Return all of it for a person."""
    lines = [headline(told), *(f"  {name:18} {value}" for name, value in facts(told))]
    lines.append("  least accurate classes, and what they are taken for")
    lines += [f"    {name}: {share}: {other or '-'}" for name, share, other in worst_classes(told)]
    return "\n".join(lines)


def to_json(told: Sequence[Evaluation]) -> str:
    """Return all evaluations as one JSON document."""
    return json.dumps([_document(one) for one in told], indent=1)


def _document(told: Evaluation) -> dict[str, Any]:
    results, calibration = told.results, told.results.calibration()
    counts = np.maximum(calibration.counts, 1)
    return {
        "model": told.model_name,
        "parameter_count": told.parameter_count,
        "dataset": told.dataset_name,
        "split": told.split,
        "digest": told.digest,
        "record_count": len(results.labels),
        "published_count": told.published_count,
        "class_count": told.class_count,
        "views": protocol_text(told.protocol),
        "top1": results.accuracy()._asdict(),
        "top5": results.accuracy(5)._asdict(),
        "real": None if told.real is None else told.real._asdict(),
        "calibration_error": calibration.error,
        "calibration_bins": [
            {"count": count, "accuracy": accuracy, "confidence": confidence}
            for count, accuracy, confidence in zip(
                calibration.counts.tolist(),
                (calibration.correct / counts).tolist(),
                (calibration.confidence / counts / CONFIDENCE_UNIT).tolist(),
                strict=True,
            )
        ],
        "by_class": {
            told.classes[label]: {
                **accuracy._asdict(),
                "taken_for": {
                    told.classes[other]: count for other, count in results.taken_for(label).items()
                },
            }
            for label, accuracy in results.by_class().items()
        },
    }


def to_csv(told: Evaluation) -> str:
    """Return timm's columns: one line of names, one of values."""
    recipe = told.protocol.recipes[-1]
    shares = [told.results.accuracy(depth).percent for depth in (1, 5)]
    parameters = told.parameter_count
    row = (
        told.model_name,
        str(recipe.crop),
        *(f"{value:.3f}" for share in shares for value in (share, 100 - share)),
        "" if parameters is None else f"{parameters / 1e6:.2f}",
        f"{recipe.crop / recipe.resize:.3f}",
        recipe.filter,
    )
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows((CSV_COLUMNS, row))
    return file.getvalue()
