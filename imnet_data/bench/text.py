"""A report as text for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnet_data.bench import verdict
from imnet_data.bench.names import BATCHES
from imnet_data.bench.roofline import predictions
from imnet_data.inspection.text import nbytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.bench.measurement import Measurement
    from imnet_data.bench.report import DatasetReport, Report
    from imnet_data.bench.roofline import Prediction

_FEWEST_BEYOND = 2  # batches, for a percentile that is more than the slowest of them
HEAD = (
    "stage",
    "threads",
    "images/s",
    "interval",
    "MB/s",
    "CPU us/image",
    "images/s per core",
    "batch p50 ms",
    "batch p99 ms",
    "memory MB",
    "",
)


def text(report: Report) -> str:
    """Return the whole report."""
    parts = ["\n".join(f"{name}: {value}" for name, value in facts(report))]
    for dataset in report.datasets:
        parts += [dataset_headline(dataset), aligned([HEAD, *stage_rows(dataset)])]
        parts.append(
            "\n".join(
                [
                    *skipped(dataset),
                    *map(prediction_text, predictions(report, dataset)),
                    *verdict.needs(report, dataset),
                ]
            )
        )
        parts.append(verdict.verdict(report, dataset))
    if len(report.datasets) > 1:
        parts.append(aligned(side_by_side(report)))
    parts += [f"Warning: {warning}." for warning in report.warnings]
    return "\n\n".join(part for part in parts if part)


def facts(report: Report) -> list[tuple[str, str]]:
    """Return the machine and the options, one row per fact."""
    options, machine = report.options, report.machine
    cores = f"{machine['cores_allowed']} of {machine['cores']} cores{_kinds_of_cores(machine)}"
    governor = f", governor {machine['governor']}" if machine["governor"] else ""
    others = "not known" if report.others_cores is None else f"{report.others_cores:.2f} cores"
    return [
        ("measured", report.date),
        ("processor", f"{cores}, {machine['cpu']}, {machine['simd']}{governor}"),
        ("memory", nbytes_text(machine["memory_nbytes"])),
        ("GPU", "; ".join(machine["gpu"]) or "none"),
        (
            "load",
            f"{report.load_before:.2f} before, {report.load_after:.2f} after; "
            f"other processes used {others}",
        ),
        (
            "options",
            f"{options.size} x {options.size} pixels, batches of {options.batch_size}, "
            f"{options.repeats} repeats of {options.seconds:g} s of each stage, in turn",
        ),
        ("versions", ", ".join(f"{name} {one}" for name, one in report.versions.items())),
    ]


def _kinds_of_cores(machine: dict[str, Any]) -> str:
    """Return what is known of the cores; reports of older versions do not have it."""
    kinds = {
        "physical": machine.get("physical_cores"),
        "sockets": machine.get("sockets"),
        "NUMA nodes": machine.get("numa_nodes"),
        "MHz": machine.get("megahertz") and round(machine["megahertz"]),
        "of quota": machine.get("cpu_quota"),
    }
    known = [f"{value:g} {name}" for name, value in kinds.items() if value]
    place = machine.get("container")
    return f" ({', '.join([*known, *([f'in {place}'] if place else [])])})" if known else ""


def dataset_headline(dataset: DatasetReport) -> str:
    """Return a line that identifies the dataset."""
    where = f", {dataset.storage}" if dataset.storage else ""
    kinds = f"{dataset.seekable} of {dataset.sampled} sampled images with restart markers"
    if dataset.pixels:
        kinds += f", {dataset.pixels} stored as pixels"
    memory = f"; DALI allocates ahead {dataset.dali_memory}" if dataset.dali_memory else ""
    return (
        f"{dataset.format}: {dataset.root}, {dataset.records:,} records of {dataset.split}, "
        f"{nbytes_text(dataset.nbytes)}, {kinds}, digest {dataset.digest[:16]}{where}{memory}"
    )


def stage_rows(dataset: DatasetReport) -> list[tuple[str, ...]]:
    """Return a row of `HEAD` for each stage."""
    return [_stage_row(one) for one in dataset.measurements]


def _stage_row(one: Measurement) -> tuple[str, ...]:
    a_core = one.images_per_core_second
    peak = one.peak_nbytes
    first = one.first_batch_seconds * 1e3
    notes = [one.cache, f"first batch after {first:,.0f} ms" if _has_opening(one) else ""]
    return (
        one.name,
        str(one.threads),
        f"{one.images_per_second:,.0f}",
        _interval(one),
        f"{one.nbytes_per_second / 1e6:,.0f}",
        f"{one.cpu_seconds_per_image * 1e6:,.0f}",
        "-" if a_core is None else f"{a_core:,.0f}",
        _percentile(one, 50),
        _percentile(one, 99),
        "-" if peak is None else f"{peak / 1e6:,.0f}",
        ", ".join(filter(None, notes)),
    )


def _interval(one: Measurement) -> str:
    return " to ".join(f"{bound:,.0f}" for bound in one.interval)


def _percentile(one: Measurement, percent: int) -> str:
    """Return milliseconds; nothing where too few batches are beyond it."""
    if len(one.batch_seconds) * (100 - percent) / 100 < _FEWEST_BEYOND:
        return "-"
    return f"{one.batch_percentile(percent) * 1e3:,.1f}"


def _has_opening(one: Measurement) -> bool:
    return one.name.startswith(BATCHES)


def skipped(dataset: DatasetReport) -> Iterator[str]:
    """Return a line for each stage that was not measured, with the reason."""
    return (f"not measured: {name} ({why})" for name, why in dataset.skipped.items())


def prediction_text(one: Prediction) -> str:
    """Return the speed expected from the stages, and the one measured."""
    parts = " + ".join(
        f"{name.partition(' (')[0]} {cost * 1e6:,.0f}" for name, cost in one.parts.items()
    )
    threads = f"{one.threads} thread{'s' * (one.threads > 1)}"
    return (
        f"{one.name}, {threads}: {one.predicted:,.0f} images/s expected from the stages, "
        f"{one.measured:,.0f} measured ({one.ratio:.2f} times that)\n"
        f"    CPU us/image: {parts} = {sum(one.parts.values()) * 1e6:,.0f} expected, "
        f"{one.cpu_measured * 1e6:,.0f} measured ({one.cpu_ratio:.2f} times that)"
    )


def side_by_side(report: Report) -> list[tuple[str, ...]]:
    """Return images/s of each stage, one column per dataset."""
    stages = dict.fromkeys(
        (one.name, one.threads) for dataset in report.datasets for one in dataset.measurements
    )
    roots = [Path(dataset.root) for dataset in report.datasets]
    is_named = len({root.name for root in roots}) == len(roots)
    rows = [("images/s", "threads", *(root.name if is_named else str(root) for root in roots))]
    for name, threads in stages:
        found = [dataset.find(name, threads=threads) for dataset in report.datasets]
        speeds = (f"{one.images_per_second:,.0f}" if one else "-" for one in found)
        rows.append((name, str(threads), *speeds))
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return a table: text columns aligned left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1 if not rows[0][-1] else len(widths)

    def cell(column: int, content: str) -> str:
        left = column in (0, last)
        return content.ljust(widths[column]) if left else content.rjust(widths[column])

    return "\n".join(
        "  ".join(cell(column, content) for column, content in enumerate(row)).rstrip()
        for row in rows
    )
