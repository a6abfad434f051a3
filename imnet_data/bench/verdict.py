"""What a report means: whether the loader is fast enough, what limits it, and what would help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.bench.names import COLD_BATCHES, MODEL, READ_COLD, THINKING, WARM_BATCHES
from imnet_data.bench.shares import FETCHING, FOR_CORE, FOR_STORAGE, QUOTA, REST, shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.bench.measurement import Measurement
    from imnet_data.bench.report import DatasetReport, Report

_WAITS = (QUOTA, FOR_CORE, FOR_STORAGE)
_IN_MEMORY = 0.8  # of the memory for a dataset; programs need the rest
_WORTH_SAYING = 0.1  # share of the loader's time that is named beside the largest


class Demand(NamedTuple):
    """A speed that is needed, and what needs it."""

    name: str
    images_per_second: float


def verdict(report: Report, dataset: DatasetReport) -> str:
    """Return whether the loader is fast enough, what limits it and what would help."""
    loader = deciding(report, dataset)
    wanted = demands(report, dataset)
    sentences = [_judged(report, dataset, loader, one) for one in wanted]
    if not wanted:
        sentences = [
            f"The loader {_speed(loader)}, and {_limit(dataset, loader)}. "
            "Give --target or --model to see whether that is fast enough."
        ]
    least = min([loader.images_per_second, *(one.images_per_second for one in wanted)])
    return " ".join([*sentences, *_storage(report, dataset, least)])


def fits(report: Report, dataset: DatasetReport) -> bool:
    """Return whether the dataset stays in memory after its first epoch."""
    return bool(dataset.nbytes < report.machine["memory_nbytes"] * _IN_MEMORY)


def deciding(report: Report, dataset: DatasetReport) -> Measurement:
    """Return the loader that a verdict is about: the cold one where memory cannot hold all."""
    warm = dataset.find(WARM_BATCHES)
    assert warm is not None
    cold = _from_storage(dataset)
    is_cold = cold is not None and cold.cache == "cold" and not fits(report, dataset)
    return cold if cold is not None and is_cold else warm


def _from_storage(dataset: DatasetReport) -> Measurement | None:
    """Return the fastest cold loader: more threads than cores may be faster."""
    found = [one for one in dataset.measurements if one.name.startswith(COLD_BATCHES)]
    return max(found, key=lambda one: one.images_per_second, default=None)


def demands(report: Report, dataset: DatasetReport) -> list[Demand]:
    """Return the target, and the model's on all GPUs."""
    found = []
    if report.options.target:
        found.append(Demand("the target", report.options.target))
    model = dataset.find(MODEL)
    if model and dataset.device == "cuda":
        gpus = report.gpus
        name = f"the training step of {report.options.model} on {_count(gpus, 'GPU')}"
        found.append(Demand(name, model.images_per_second * gpus))
    elif model:
        name = f"the training step of {report.options.model} on the CPU"
        found.append(Demand(name, model.images_per_second))
    return found


def _judged(report: Report, dataset: DatasetReport, loader: Measurement, demand: Demand) -> str:
    wanted = f"{demand.name} ({demand.images_per_second:,.0f} images/s)"
    enough = _enough(loader, demand)
    reached = loader.images_per_second / demand.images_per_second
    if reached >= 1:
        return (
            f"The loader is fast enough for {wanted}: it {_speed(loader)}, "
            f"{reached:.1f} times what is needed. {_count(enough, 'core')} would suffice."
        )
    slow = (
        f"The loader is too slow for {wanted}, which would wait {1 - reached:.0%} of the time: "
        f"it {_speed(loader)}, and {_limit(dataset, loader)}"
    )
    return f"{slow}. {_remedy(report, dataset, loader, demand)}."


def _enough(loader: Measurement, demand: Demand) -> int:
    """Return how many cores have the CPU time for it."""
    return max(1, math.ceil(demand.images_per_second * loader.cpu_seconds_per_image))


def _remedy(report: Report, dataset: DatasetReport, loader: Measurement, demand: Demand) -> str:
    spent = shares(dataset, loader)
    most = max(spent, key=lambda name: spent[name])
    enough = _enough(loader, demand)
    if most == FOR_STORAGE:
        return (
            'More threads than cores, order="block", another format or a smaller stored form, a '
            "local copy or more memory would help"
        )
    if enough <= min(loader.threads, report.machine["cores_allowed"]):
        if most == QUOTA:
            return f"It used the CPU time of {_count(enough, 'core')}: a larger quota would suffice"
        return (
            f"It used the CPU time of {_count(enough, 'core')}, so an idle machine would suffice; "
            "see the warnings and the intervals"
        )
    others = [
        f"{other.format}: {_count(_enough(its, demand), 'core')}"
        for other in report.datasets
        if other is not dataset
        and (its := other.find(WARM_BATCHES))
        and its.cpu_seconds_per_image < loader.cpu_seconds_per_image
    ]
    instead = f" ({', '.join(others)})" if others else ""
    cores = f"{_count(enough, 'core')} like these would suffice"
    return f"{cores}{instead}{_hint(dataset)}"


def _limit(dataset: DatasetReport, loader: Measurement) -> str:
    """Return where most of the loader's time goes, and what is worth saying of the rest."""
    if "dali" in loader.name:
        return "its stages are not known"
    spent = shares(dataset, loader)
    most = max(spent, key=lambda name: spent[name])
    named = [
        most,
        *(
            name
            for name in (QUOTA, FOR_CORE, FOR_STORAGE, FETCHING, REST)
            if name != most and spent.get(name, 0) >= _WORTH_SAYING
        ),
    ]
    parts = [f"{spent[name]:.0%} {'' if name in _WAITS else 'on '}{name}" for name in named]
    first, *others = parts
    return " and ".join([f"its threads spend {first.replace('%', '% of their time', 1)}", *others])


def _speed(loader: Measurement) -> str:
    origin = " from storage" if loader.is_cold else ""
    threads = _count(loader.threads, "thread")
    return f"delivers {loader.images_per_second:,.0f} images/s{origin} with {threads}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number > 1)}"


def _hint(dataset: DatasetReport) -> str:
    if dataset.seekable or dataset.pixels:
        return ""
    return (
        "; the JPEGs have no restart markers, and `imnet-data convert --jpeg seekable` makes "
        "decoding a crop cheaper"
    )


def _storage(report: Report, dataset: DatasetReport, wanted: float) -> Iterator[str]:
    """Yield what storage delivers when a record is not in the page cache."""
    cold = _from_storage(dataset) or dataset.find(READ_COLD)
    if cold is None:
        return
    size = f"{dataset.nbytes / 1e9:,.1f} GB"
    if cold.cache != "cold":
        yield f"The speed of the storage is not known: {cold.cache}."
    elif cold.interval[1] < wanted and fits(report, dataset):
        yield (
            f"The first epoch is slower, as it comes from storage: {_what(cold)} "
            f"{cold.images_per_second:,.0f} images/s in epoch order; then all {size} are in memory."
        )
    elif not fits(report, dataset):
        share = report.machine["memory_nbytes"] / dataset.nbytes
        yield (
            f"The dataset ({size}) does not fit into memory, which holds {share:.0%}, so every "
            f"epoch reads from storage: {_what(cold)} {cold.images_per_second:,.0f} images/s."
        )


def _what(cold: Measurement) -> str:
    return "the loader makes" if cold.name.startswith(COLD_BATCHES) else "reading alone makes"


def _utilisation(dataset: DatasetReport, demand: Demand) -> str:
    """Return how busy an accelerator of the demand's speed would be, as measured."""
    thinking = dataset.find(THINKING)
    if thinking is None or demand.name != "the target":
        return ""
    share = min(1.0, thinking.images_per_second / demand.images_per_second)
    return f"; with a step of that speed, an accelerator is busy {share:.0%} of the time"


def needs(report: Report, dataset: DatasetReport) -> list[str]:
    """Return what follows from the speeds: time per epoch, and bytes that a demand needs."""
    loader = deciding(report, dataset)
    seconds = dataset.records / loader.images_per_second
    mean = dataset.nbytes / dataset.records
    lines = [
        f"an epoch of {dataset.records:,} records takes {_duration(seconds)} at "
        f"{loader.images_per_second:,.0f} images/s"
    ]
    lines += [
        f"{one.name} needs {one.images_per_second * mean / 1e6:,.0f} MB/s from storage where "
        f"nothing is in memory{_utilisation(dataset, one)}"
        for one in demands(report, dataset)
    ]
    return lines


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
