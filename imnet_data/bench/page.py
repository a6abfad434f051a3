"""A report as one HTML page: what limits, charts, and every figure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.bench import text, verdict
from imnet_data.bench.names import MODEL, TRAINING, WARM_BATCHES
from imnet_data.bench.roofline import predictions
from imnet_data.html import charts
from imnet_data.html.charts import Point
from imnet_data.html.document import document, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.bench.report import DatasetReport, Report


def page(report: Report) -> str:
    """Return the page of a report; it loads nothing."""
    parts = {f"dataset-{number}": one.format for number, one in enumerate(report.datasets)}
    sections = [
        _section(report, one, name) for name, one in zip(parts, report.datasets, strict=True)
    ]
    if len(report.datasets) > 1:
        parts["side-by-side"] = "side by side"
        head, *rows = text.side_by_side(report)
        rates = table("Images per second", head, rows)
        sections.append(_titled("side-by-side", "Side by side", rates))
    warnings = "".join(f'<p class="fix">Warning: {escape(one)}.</p>' for one in report.warnings)
    made = table("What it was measured on", (), text.facts(report))
    return document(
        "What limits this input pipeline", parts, facts=warnings + made, sections=sections
    )


def _section(report: Report, dataset: DatasetReport, name: str) -> str:
    about = f'<p class="quiet">{escape(text.dataset_headline(dataset))}</p>'
    judged = f"<p><strong>{escape(verdict.verdict(report, dataset))}</strong></p>"
    charts = "".join(f"<figure>{chart}</figure>" for chart in _charts(report, dataset))
    medians = table(
        "Medians of the repeats, with their intervals",
        text.HEAD,
        text.stage_rows(dataset),
    )
    lines = [*text.skipped(dataset), *map(text.prediction_text, predictions(report, dataset))]
    notes = "".join(f"<li>{escape(line)}</li>" for line in lines).replace("\n", "<br>")
    content = f'{about}{judged}<div class="charts">{charts}</div>{medians}<ul>{notes}</ul>'
    return _titled(name, dataset.format, content)


def _charts(report: Report, dataset: DatasetReport) -> Iterator[str]:
    threads = min(report.options.threads[-1], report.machine["cores_allowed"])
    times = {
        f"{one.name.partition(' (')[0]}{f', {one.threads}' * (one.threads > 1)}": round(
            1e6 / one.images_per_second / (threads if one.takes_one_core else 1)
        )
        for one in dataset.measurements
        if one.name not in (MODEL, TRAINING)  # a thousand times as long on a CPU
    }
    yield charts.bars(times, title=f"Time of an image by the clock, {threads} cores, microseconds")
    loaders = [one for one in dataset.measurements if one.name.startswith(WARM_BATCHES)]
    expected = {
        (one.name, one.threads): round(one.predicted) for one in predictions(report, dataset)
    }
    points = [
        Point(
            x=one.threads,
            low=round(min(one.speeds)),
            middle=round(one.images_per_second),
            high=round(max(one.speeds)),
            expected=expected.get((one.name, one.threads)),
        )
        for one in sorted(loaders, key=lambda one: one.threads)
    ]
    yield charts.points(
        points, titles=("threads of the loader (dashed: expected)", "images/s"), top=_top(report)
    )
    most = max(loaders, key=lambda one: one.threads)
    yield charts.histogram(
        np.array([round(seconds * 1e6) for seconds in most.batch_seconds]),
        title=f"ms per batch, {most.threads} thread{'s' * (most.threads > 1)}",
        counted="batches",
        show=lambda microseconds: f"{microseconds / 1000:g}",
    )


def _top(report: Report) -> int:
    """Return the largest speed of all datasets, so that their charts have one scale."""
    speeds = [
        speed
        for dataset in report.datasets
        for one in dataset.measurements
        if one.name.startswith(WARM_BATCHES)
        for speed in one.speeds
    ]
    speeds += [one.predicted for dataset in report.datasets for one in predictions(report, dataset)]
    return round(max(speeds) * 1.05)


def _titled(name: str, title: str, content: str) -> str:
    return (
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(title)}</h2>\n'
        f"{content}\n</section>\n"
    )
