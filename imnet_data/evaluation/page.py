"""An evaluation as one HTML page: facts, the surest mistakes as pictures, charts, classes.

It loads nothing, and the same evaluation gives the same page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import text
from imnet_data.html.charts import histogram
from imnet_data.html.document import document, figure, table
from imnet_data.inspection.page import picture
from imnet_data.metrics import CONFIDENCE_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.arguments import StrPath
    from imnet_data.evaluation.evaluate import Evaluation

_SHOWN = 60  # mistakes


def page(scored: Evaluation, root: StrPath) -> str:
    """Return the page of an evaluation of the dataset at `root`.

    Raises:
        EvaluationError: if its images have no labels.
        ManifestError: if the dataset is damaged.
    """
    if not scored.has_labels:
        raise EvaluationError(
            f"{scored.dataset_name} has no right classes, so no mistakes to show; leave out --html"
        )
    with Dataset.open(root, scored.split) as opened:
        mistakes = _mistakes(scored, opened)
    return document(
        text.headline(scored),
        {"mistakes": "surest mistakes", "confidence": "confidence", "classes": "classes"},
        facts=table("What came out, and of what", (), text.facts(scored)),
        sections=(mistakes, _confidence(scored), _classes(scored)),
    )


def _mistakes(scored: Evaluation, opened: Dataset) -> str:
    rows = scored.results.worst_mistakes(_SHOWN)
    figures = []
    for row in rows.tolist():
        key = opened.index.key[row].decode()
        label, said = int(scored.results.labels[row]), int(scored.results.top[row, 0])
        share = 100 * int(scored.results.confidences[row]) / CONFIDENCE_UNIT
        word, other = text.word(scored, label), text.word(scored, said)
        shown = picture(opened, row, alt=f"{word}, taken for {other}")
        lines = [
            ("fix", f"{share:.1f} % {other}"),
            ("words", f"is {word}"),
            ("quiet", f"{scored.classes[said]} \N{RIGHTWARDS ARROW} {scored.classes[label]}"),
            ("key", key),
        ]
        figures.append(figure(shown, lines))
    wrong = int((~scored.results.is_correct).sum())
    head = f"{len(figures):,} of {wrong:,} wrong predictions, the surest first"
    return _section(
        "mistakes", "Surest mistakes", head, f'<div class="sheet">{"".join(figures)}</div>'
    )


def _confidence(scored: Evaluation) -> str:
    results = scored.results
    percent = results.confidences * 100 // CONFIDENCE_UNIT
    charts = [
        histogram(percent[chosen], title=f"confidence of {name}, %", counted="records", show=str)
        for name, chosen in (
            ("right predictions", results.is_correct),
            ("wrong predictions", ~results.is_correct),
        )
        if chosen.any()
    ]
    figures = "".join(f"<figure>{chart}</figure>" for chart in charts)
    bins = table(
        "By confidence; what is well calibrated is as often right as it is sure",
        ("confidence", "records", "mean confidence", "right"),
        _bins(scored),
    )
    head = f"Expected calibration error {results.calibration().error:.4f}"
    return _section("confidence", "Confidence", head, f'<div class="charts">{figures}</div>{bins}')


def _bins(scored: Evaluation) -> Iterator[tuple[str, ...]]:
    calibration = scored.results.calibration()
    edges = np.linspace(0, 100, len(calibration.counts) + 1)
    for low, high, count, correct, confidence in zip(
        edges, edges[1:], *(column.tolist() for column in calibration), strict=False
    ):
        shares = (confidence / CONFIDENCE_UNIT, correct) if count else ()
        values = [f"{100 * share / count:.1f} %" for share in shares] or ["-", "-"]
        yield f"{low:.1f} to {high:.1f} %", f"{count:,}", *values


def _classes(scored: Evaluation) -> str:
    by_class = scored.results.by_class()
    chart = histogram(
        np.array([int(accuracy.percent) for accuracy in by_class.values()]),
        title="accuracy of a class, %",
        counted="classes",
        show=str,
    )
    worst = table(
        "Least accurate classes, and what they are taken for",
        ("class", "right", "taken for"),
        text.worst_classes(scored),
    )
    rows = [
        (text.class_text(scored, label), text.accuracy_text(accuracy))
        for label, accuracy in by_class.items()
    ]
    every = table("In the order of labels", ("class", "right"), rows)
    return _section(
        "classes",
        "Classes",
        f"{len(by_class):,} classes have records",
        f'<div class="charts"><figure>{chart}</figure></div>{worst}'
        f"<details><summary>All {len(by_class):,} classes</summary>{every}</details>",
    )


def _section(name: str, title: str, head: str, content: str) -> str:
    return (
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n'
        f"<p>{head}</p>\n{content}\n</section>\n"
    )
