"""An evaluation as text, as JSON, and as a row of timm's results."""

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
    from imnet_data.evaluation.groups import Group
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
_TAKEN_FOR = 3  # wrong classes that are shown per class


def headline(scored: Evaluation) -> str:
    """Return what was evaluated, and the top-1 accuracy."""
    if not scored.has_labels:
        return f"{scored.model_name} on {scored.split} of {scored.dataset_name}"
    share = scored.results.accuracy().percent
    return f"top-1 {share:.3f} %: {scored.model_name} on {scored.split} of {scored.dataset_name}"


def facts(scored: Evaluation) -> list[tuple[str, str]]:
    """Return the name and the value of each fact."""
    results, total = scored.results, len(scored.results.labels)
    rows = [
        ("top-1", accuracy_text(results.accuracy())),
        ("top-5", accuracy_text(results.accuracy(5))),
    ]
    rows = rows if scored.has_labels else []
    rows += [(measure.name, measure.text) for measure in scored.measures]
    if scored.real is not None:
        none = total - scored.real.total
        rows.append(("ReaL", f"{accuracy_text(scored.real)}; {none:,} have no ReaL label"))
    if scored.has_labels:
        error = results.calibration().error
        rows.append(("calibration error", f"{error:.4f} (15 bins of confidence)"))
    rows += [
        ("records", f"{total:,}, each scored once{_of_published(scored)}"),
        ("classes", f"{scored.class_count:,} scored, of {len(scored.classes):,}"),
        ("views", protocol_text(scored.protocol)),
        ("digest", scored.digest[:16]),
    ]
    if scored.parameter_count is not None:
        rows.append(("parameters", f"{scored.parameter_count:,}"))
    return rows


def _of_published(scored: Evaluation) -> str:
    if scored.published_count is None:
        return ""
    if scored.published_count == len(scored.results.labels):
        return ", all that were published"
    return f"; {scored.published_count:,} were published: do not compare with published numbers"


def accuracy_text(accuracy: Accuracy) -> str:
    """Return a share with the integers that it is made of."""
    return f"{accuracy.percent:.3f} % ({accuracy.correct:,} of {accuracy.total:,})"


def protocol_text(protocol: Protocol) -> str:
    """Return what was done to each record, in words."""
    crops = "ten crops" if protocol.crops == "ten" else "centre crop"
    recipes = [_recipe_text(recipe) for recipe in protocol.recipes]
    words = f"{crops} of {' and '.join(recipes)}"
    if len(protocol.views()) > 1:
        words += f"; mean of {protocol.average} over {len(protocol.views())} views"
    return words


def _recipe_text(recipe: EvalRecipe) -> str:
    border = f"{recipe.border} pixels cut off each edge, " if recipe.border else ""
    return f"{recipe.crop} pixels, {border}shorter side resized to {recipe.resize}, {recipe.filter}"


def worst_classes(scored: Evaluation) -> list[tuple[str, str, str]]:
    """Return the least accurate classes: class, accuracy, and what it is mistaken for."""
    ranked = sorted(scored.results.by_class().items(), key=lambda item: (item[1].percent, item[0]))
    rows = []
    for label, accuracy in ranked[:_WORST_CLASSES]:
        taken_for = list(scored.results.taken_for(label).items())[:_TAKEN_FOR]
        named = [f"{class_text(scored, other)} ({count:,})" for other, count in taken_for]
        rows.append((class_text(scored, label), accuracy_text(accuracy), ", ".join(named)))
    return rows


def class_text(scored: Evaluation, label: int) -> str:
    """Name a class by its first word and wnid; there are two cranes and two maillots."""
    wnid, first = scored.classes[label], word(scored, label)
    return wnid if first == wnid else f"{first} {wnid}"


def word(scored: Evaluation, label: int) -> str:
    """Return the first word of a class, or its wnid if there is none."""
    wnid = scored.classes[label]
    return labels.words_of().get(wnid, wnid).partition(",")[0]


def text(scored: Evaluation) -> str:
    """Return the evaluation as text."""
    lines = [headline(scored), *(f"  {name:18} {value}" for name, value in facts(scored))]
    if not scored.has_labels:
        return "\n".join(lines)
    lines.append("  least accurate classes, and what they are mistaken for")
    lines += [
        f"    {name}: {share}: {other or '-'}" for name, share, other in worst_classes(scored)
    ]
    if scored.groups:
        lines.append("  groups of classes: top-1, and predictions of any class of the group")
    lines += [f"    {_group_text(group)}" for group in scored.groups]
    return "\n".join(lines)


def _group_text(group: Group) -> str:
    name = f"{group.words.partition(',')[0]} {group.wnid}".lstrip()
    plural = "es" * (group.class_count != 1)
    return (
        f"{name}, {group.class_count:,} class{plural}: {accuracy_text(group.top1)}; "
        f"{accuracy_text(group.within)}"
    )


def to_json(scored: Sequence[Evaluation]) -> str:
    """Return all evaluations as one JSON document."""
    return json.dumps([_document(one) for one in scored], indent=1)


def _document(scored: Evaluation) -> dict[str, Any]:
    results, calibration = scored.results, scored.results.calibration()
    counts = np.maximum(calibration.counts, 1)
    return {
        "model": scored.model_name,
        "parameter_count": scored.parameter_count,
        "dataset": scored.dataset_name,
        "split": scored.split,
        "digest": scored.digest,
        "record_count": len(results.labels),
        "published_count": scored.published_count,
        "class_count": scored.class_count,
        "views": protocol_text(scored.protocol),
        "top1": results.accuracy()._asdict() if scored.has_labels else None,
        "top5": results.accuracy(5)._asdict() if scored.has_labels else None,
        "measures": {measure.name: measure.document for measure in scored.measures},
        "real": None if scored.real is None else scored.real._asdict(),
        **({"groups": [_group_fields(group) for group in scored.groups]} if scored.groups else {}),
        "calibration_error": calibration.error if scored.has_labels else None,
        "calibration_bins": [
            {"count": count, "accuracy": accuracy, "confidence": confidence}
            for count, accuracy, confidence in zip(
                calibration.counts.tolist(),
                (calibration.correct / counts).tolist(),
                (calibration.confidence / counts / CONFIDENCE_UNIT).tolist(),
                strict=True,
            )
        ]
        if scored.has_labels
        else [],
        "by_class": {
            scored.classes[label]: {
                **accuracy._asdict(),
                "taken_for": {
                    scored.classes[other]: count
                    for other, count in results.taken_for(label).items()
                },
            }
            for label, accuracy in results.by_class().items()
            if scored.has_labels
        },
    }


def _group_fields(group: Group) -> dict[str, Any]:
    return {**group._asdict(), "top1": group.top1._asdict(), "within": group.within._asdict()}


def to_csv(scored: Evaluation) -> str:
    """Return timm's columns: one line of names, one of values."""
    recipe = scored.protocol.recipes[-1]
    shares = [scored.results.accuracy(depth).percent for depth in (1, 5)]
    parameters = scored.parameter_count
    row = (
        scored.model_name,
        str(recipe.crop),
        *(f"{value:.3f}" for share in shares for value in (share, 100 - share)),
        "" if parameters is None else f"{parameters / 1e6:.2f}",
        f"{recipe.crop / recipe.resize:.3f}",
        recipe.filter,
    )
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows((CSV_COLUMNS, row))
    return file.getvalue()
