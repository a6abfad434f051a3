"""A report as one JSON document, and back."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import TYPE_CHECKING, Any

from imnet_data.bench import roofline, shares, verdict
from imnet_data.bench.measurement import Measurement, Repeat
from imnet_data.bench.options import BenchOptions
from imnet_data.bench.report import DatasetReport, Report
from imnet_data.errors import EvaluationError
from imnet_data.machine import files

if TYPE_CHECKING:
    from pathlib import Path


VERSION = 1


def to_json(report: Report) -> str:
    """Return the report as one JSON document, with the figures that follow from the repeats."""
    document = {"version": VERSION, **dataclasses.asdict(report)}
    for entry, dataset in zip(document["datasets"], report.datasets, strict=True):
        entry["predictions"] = [one._asdict() for one in roofline.predictions(report, dataset)]
        deciding = verdict.deciding(report, dataset)
        entry["shares"] = shares.shares(dataset, deciding)
        entry["needs"] = verdict.needs(report, dataset)
        entry["verdict"] = verdict.verdict(report, dataset)
        for row, one in zip(entry["measurements"], dataset.measurements, strict=True):
            row["repeats"] = [each._asdict() for each in one.repeats]
            row["figures"] = figures(one)
    return json.dumps(document, indent=1)


def figures(one: Measurement) -> dict[str, Any]:
    """Return what a measurement's repeats say, by name."""
    return {
        "cache": one.cache,
        "images_per_second": one.images_per_second,
        "images_per_second_range": [min(one.speeds), max(one.speeds)],
        "images_per_second_interval": one.interval,
        "nbytes_per_second": one.nbytes_per_second,
        "cpu_seconds_per_image": one.cpu_seconds_per_image,
        "images_per_core_second": one.images_per_core_second,
        "batch_seconds_p50": one.batch_percentile(50),
        "batch_seconds_p99": one.batch_percentile(99),
        "first_batch_seconds": one.first_batch_seconds,
        "peak_nbytes": one.peak_nbytes,
    }


def read(path: Path) -> Report:
    """Read a report that `to_json` made.

    Raises:
        EvaluationError: if it is none.
    """
    try:
        document = json.loads(files.read_small(path))
        if document["version"] not in range(1, VERSION + 1):
            raise ValueError(f"its version is {document['version']}, and here is {VERSION}")
        options = document.pop("options")
        options["threads"] = tuple(options["threads"])
        datasets = [_dataset(fields) for fields in document.pop("datasets")]
        asked = BenchOptions(**_known(BenchOptions, options))
        return Report(options=asked, datasets=datasets, **_known(Report, document))
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(
            f"{path}: is not a report of `imnet-data bench --json` ({error}); measure again"
        ) from error


def _dataset(fields: dict[str, Any]) -> DatasetReport:
    measurements = [_measurement(row) for row in fields.pop("measurements")]
    return DatasetReport(measurements=measurements, **_known(DatasetReport, fields))


def _measurement(fields: dict[str, Any]) -> Measurement:
    repeats = [Repeat(**_known(Repeat, row)) for row in fields.pop("repeats")]
    return Measurement(repeats=repeats, **_known(Measurement, fields))


def _known(kind: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that `kind` has: figures follow from repeats, newer ones are ignored."""
    names = set(inspect.signature(kind).parameters)
    return {name: value for name, value in fields.items() if name in names}
