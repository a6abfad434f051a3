"""Two reports of the same work: what changed beyond the noise of the repeats.

A figure has changed where the ranges of its repeats do not meet. Of two times five repeats of the
same speed that happens by chance once in 126 times (2 * 5! * 5! / 10!), in either direction.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.bench.text import aligned
from imnet_data.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.bench.measurement import Measurement
    from imnet_data.bench.report import Report


class Change(NamedTuple):
    """One stage, before and after; speeds in images a second, costs in CPU seconds an image."""

    format: str
    stage: str
    threads: int
    speeds: tuple[float, float]  # medians
    speed_changed: bool
    costs: tuple[float, float]
    cost_changed: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What changed, and what makes the comparison weaker than it looks."""

    notes: list[str]
    changes: list[Change]


def compare(before: Report, after: Report) -> Comparison:
    """Compare two reports, stage by stage.

    Raises:
        EvaluationError: if they are of other records, or were measured with other options.
    """
    different = [*_different_options(before, after), *_different_records(before, after)]
    if different:
        raise EvaluationError(
            f"these reports cannot be compared: {'; '.join(different)}; "
            "measure again with the same records and options"
        )
    changes, notes = [], [*_notes(before, after)]
    for old, new in zip(before.datasets, after.datasets, strict=True):
        for one in old.measurements:
            other = new.find(one.name, threads=one.threads)
            if other is None:
                notes.append(f"{one.name}, {one.threads} threads: in the first report only")
            elif one.cache != other.cache:
                notes.append(f"{one.name}: {one.cache}, then {other.cache}: not compared")
            else:
                changes.append(_change(new.format, one, other))
    return Comparison(notes=notes, changes=changes)


def changed(before: Sequence[float], after: Sequence[float]) -> bool:
    """Return whether two ranges do not meet."""
    return max(before) < min(after) or max(after) < min(before)


def _change(format_name: str, old: Measurement, new: Measurement) -> Change:
    return Change(
        format_name,
        old.name,
        old.threads,
        (old.images_per_second, new.images_per_second),
        changed(old.speeds, new.speeds),
        (old.cpu_seconds_per_image, new.cpu_seconds_per_image),
        changed(old.cpu_costs, new.cpu_costs),
    )


def _different_options(before: Report, after: Report) -> Iterator[str]:
    for field in dataclasses.fields(before.options):
        values = [getattr(one.options, field.name) for one in (before, after)]
        # what is wanted changes the verdict, and no figure
        if field.name != "target" and values[0] != values[1]:
            yield f"{field.name} is {values[0]}, then {values[1]}"


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
    rows: list[tuple[str, ...]] = [
        ("stage", "threads", "images/s", "", "", "CPU us/image", "", "", "")
    ]
    rows += [
        (
            f"{one.format}: {one.stage}",
            str(one.threads),
            *(f"{speed:,.0f}" for speed in one.speeds),
            _said(one.speeds, is_changed=one.speed_changed),
            *(f"{cost * 1e6:,.0f}" for cost in one.costs),
            _said(one.costs, is_changed=one.cost_changed),
            "",
        )
        for one in comparison.changes
    ]
    beyond = [one for one in comparison.changes if one.speed_changed or one.cost_changed]
    head = (
        f"{len(beyond)} of {len(comparison.changes)} stages changed beyond the noise"
        if beyond
        else f"none of {len(comparison.changes)} stages changed beyond the noise"
    )
    return "\n".join([aligned(rows), "", head, *(f"Note: {note}." for note in comparison.notes)])


def _said(values: tuple[float, float], *, is_changed: bool) -> str:
    old, new = values
    if not old:
        return "-"
    return f"{new / old:.2f} x" if is_changed else "(noise)"
