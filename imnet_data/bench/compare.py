"""Two reports of the same work: what changed beyond the noise of the repeats.

Every figure has the interval of its ratio (`ratio`). The intervals share one chance of a false
alarm, so that it is 5 % for the whole comparison, however many rows and repeats it has. What
differs between two runs and stays so within each (another clock rate, another neighbour) looks like
a change; `against` measures both in one run, in turn.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from imnet_data.bench.ratio import CHANCE, Ratio, ratio
from imnet_data.bench.text import aligned
from imnet_data.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.bench.measurement import Measurement
    from imnet_data.bench.report import DatasetReport, Report

VERSION = 1  # of the JSON
_SAME_WORK = ("loader", "batch_size", "size", "model", "precision")  # options; others leave rows


class Change(NamedTuple):
    """One stage, before and after; speeds in images per second, costs in CPU seconds per image."""

    format: str
    stage: str
    threads: int
    speeds: tuple[float, float]  # medians
    speed_ratio: Ratio
    costs: tuple[float, float]
    cost_ratio: Ratio | None  # None where no CPU time was measured

    @property
    def is_changed(self) -> bool:
        """Whether one of the two figures has."""
        return self.speed_ratio.is_changed or bool(self.cost_ratio and self.cost_ratio.is_changed)

    @property
    def is_worse(self) -> bool:
        """Whether images became slower, or cost more CPU time."""
        is_dearer = self.cost_ratio is not None and self.cost_ratio.low > 1
        return self.speed_ratio.high < 1 or is_dearer


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What changed, and what makes the comparison weaker than it looks."""

    notes: list[str]
    changes: list[Change]

    @property
    def is_worse(self) -> bool:
        """Whether any stage is."""
        return any(one.is_worse for one in self.changes)


def compare(before: Report, after: Report) -> Comparison:
    """Compare two reports, stage by stage.

    Raises:
        EvaluationError: if they are of other records or other work, or have no row in common.
    """
    different = [*_different_work(before, after), *_different_records(before, after)]
    if different:
        raise EvaluationError(
            f"these reports cannot be compared: {'; '.join(different)}; "
            "measure again with the same records and options"
        )
    notes, pairs = [*_notes(before, after)], []
    for old, new in zip(before.datasets, after.datasets, strict=True):
        found, left_out = _matched(old, new)
        pairs += found
        notes += left_out
    if not pairs:
        raise EvaluationError(
            f"these reports cannot be compared: they have no row in common ({'; '.join(notes)}); "
            "measure again with --threads that both machines have"
        )
    return compared(pairs, notes)


def compared(
    pairs: Sequence[tuple[str, Measurement, Measurement]], notes: Sequence[str] = ()
) -> Comparison:
    """Compare stages: of each the name of a format, and the stage before and after."""
    figures = len(pairs) + sum(_has_costs(old, new) for _, old, new in pairs)
    changes = [
        Change(
            format_name,
            old.name,
            old.threads,
            (old.images_per_second, new.images_per_second),
            ratio(old.speeds, new.speeds, figures=figures),
            (old.cpu_seconds_per_image, new.cpu_seconds_per_image),
            ratio(old.cpu_costs, new.cpu_costs, figures=figures) if _has_costs(old, new) else None,
        )
        for format_name, old, new in pairs
    ]
    return Comparison(notes=list(notes), changes=changes)


def _has_costs(old: Measurement, new: Measurement) -> bool:
    return min(*old.cpu_costs, *new.cpu_costs) > 0


def _matched(
    old: DatasetReport, new: DatasetReport
) -> tuple[list[tuple[str, Measurement, Measurement]], list[str]]:
    """Return the rows that both have, and what is to be said of the others."""
    rows = {(one.name, one.threads): one for one in old.measurements}
    others = {(one.name, one.threads): one for one in new.measurements}
    pairs, notes = [], []
    for name, threads in {**rows, **others}:
        one, other = rows.get((name, threads)), others.get((name, threads))
        row = f"{name}, {threads} thread{'s' * (threads > 1)}"
        if one is None or other is None:
            notes.append(f"{row}: in the {'second' if one is None else 'first'} report only")
        elif one.is_cold is not None and one.cache != other.cache:
            notes.append(f"{row}: {one.cache}, then {other.cache}: not compared")
        else:
            pairs.append((new.format, one, other))
    return pairs, notes


def _different_work(before: Report, after: Report) -> Iterator[str]:
    for name in _SAME_WORK:
        values = [getattr(one.options, name) for one in (before, after)]
        if values[0] != values[1]:
            yield f"{name} is {values[0]}, then {values[1]}"


def _different_records(before: Report, after: Report) -> Iterator[str]:
    counts = len(before.datasets), len(after.datasets)
    if counts[0] != counts[1]:
        yield f"{counts[0]} datasets, then {counts[1]}"
        return
    for old, new in zip(before.datasets, after.datasets, strict=True):
        if old.digest != new.digest:
            yield f"{old.root} has digest {old.digest[:16]}, {new.root} has {new.digest[:16]}"


def _notes(before: Report, after: Report) -> Iterator[str]:
    for name, old in before.machine.items():
        if old != after.machine.get(name):
            yield f"another machine: {name} is {old}, then {after.machine.get(name)}"
    for name in {**before.versions, **after.versions}:
        versions = [one.versions.get(name, "none") for one in (before, after)]
        if versions[0] != versions[1]:
            yield f"another version: {name} {versions[0]}, then {versions[1]}"
    for old_set, new_set in zip(before.datasets, after.datasets, strict=True):
        for what in ("format", "storage", "seekable", "pixels"):
            ways = [getattr(one, what) for one in (old_set, new_set)]
            if ways[0] != ways[1]:
                yield f"stored in another way: {what} is {ways[0]}, then {ways[1]}"
    for which, one in (("first", before), ("second", after)):
        yield from (f"{which} report: {warning}" for warning in one.warnings)


def text(comparison: Comparison) -> str:
    """Return the comparison for a terminal."""
    rows: list[tuple[str, ...]] = [_HEAD, *map(_row, comparison.changes)]
    changes = comparison.changes
    count = sum(one.is_changed for one in changes)
    worse = sum(one.is_worse for one in changes)
    said = f"{count} of {len(changes)} stages changed beyond the noise, {worse} for the worse"
    return "\n".join(
        [
            aligned(rows),
            "",
            said if count else f"none of {len(changes)} stages changed beyond the noise",
            f"Ratios have intervals: all of them contain the true ratio in {1 - CHANCE:.0%} of "
            "comparisons. A change smaller than 'seen from' may have been missed.",
            *_blind(changes),
            *(f"Note: {note}." for note in comparison.notes),
        ]
    )


_HEAD = (
    "stage",
    "threads",
    "images/s",
    "then",
    "ratio",
    "interval",
    "seen from",
    "CPU us/image",
    "then",
    "ratio",
    "interval",
    "seen from",
    "",
)


def _row(one: Change) -> tuple[str, ...]:
    speeds = (f"{speed:,.0f}" for speed in one.speeds)
    costs = (f"{cost * 1e6:,.0f}" for cost in one.costs)
    name = f"{one.format}: {one.stage}"
    mark = ("worse" if one.is_worse else "changed") if one.is_changed else ""
    cells = name, str(one.threads), *speeds, *_cells(one.speed_ratio)
    return (*cells, *costs, *_cells(one.cost_ratio), mark)


def _cells(one: Ratio | None) -> tuple[str, str, str]:
    if one is None:
        return "-", "-", "-"
    if math.isinf(one.visible):
        return f"{one.middle:.2f}", "none", "never"
    return f"{one.middle:.2f}", f"{one.low:.2f} to {one.high:.2f}", f"{one.visible:.1%}"


def _blind(changes: Sequence[Change]) -> Iterator[str]:
    if any(math.isinf(one.speed_ratio.visible) for one in changes):
        yield (
            "Warning: so few repeats cannot show any change among so many figures; "
            "measure with --repeats 10."
        )


def to_json(comparison: Comparison) -> str:
    """Return the comparison as one JSON document."""
    return json.dumps(
        {
            "version": VERSION,
            "chance_of_a_false_alarm": CHANCE,
            "is_worse": comparison.is_worse,
            "changes": [_document(one) for one in comparison.changes],
            "notes": comparison.notes,
        },
        indent=1,
    )


def _document(one: Change) -> dict[str, Any]:
    return {
        "format": one.format,
        "stage": one.stage,
        "threads": one.threads,
        "images_per_second": one.speeds,
        "images_per_second_ratio": _ratio_document(one.speed_ratio),
        "cpu_seconds_per_image": one.costs,
        "cpu_seconds_per_image_ratio": one.cost_ratio and _ratio_document(one.cost_ratio),
        "is_changed": one.is_changed,
        "is_worse": one.is_worse,
    }


def _ratio_document(one: Ratio) -> dict[str, Any]:
    """Return an interval; its upper end and the visible change are null where nothing shows."""
    is_blind = math.isinf(one.visible)
    return {
        "middle": one.middle,
        "low": one.low,
        "high": None if is_blind else one.high,
        "visible_change": None if is_blind else one.visible,
    }
