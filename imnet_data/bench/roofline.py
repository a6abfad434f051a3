"""What follows from all stages: the speed to expect, the stage that limits it, what would suffice.

CPU stages share the cores, so their CPU times add up: n threads on c cores are expected to process
min(n, c) / (CPU seconds per image over all stages) images per second. Another device works at the
same time, so of what runs there only the slowest counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.bench.measurement import Measurement
from imnet_data.bench.names import (
    BATCHES,
    COPY,
    DECODE,
    MODEL,
    NORMALIZE,
    READ_COLD,
    READ_WARM,
    RESIZE,
    TRAINING,
)

if TYPE_CHECKING:
    from imnet_data.bench.measurement import Measurement
    from imnet_data.bench.report import DatasetReport, Report


class Prediction(NamedTuple):
    """The speed expected from several stages together, and the one measured."""

    name: str
    threads: int
    parts: dict[str, float]  # stage -> CPU seconds per image
    predicted: float  # images per second
    measured: float
    cpu_measured: float  # CPU seconds per image of the whole

    @property
    def ratio(self) -> float:
        """Measured over predicted speed; below 1 if cores did other work, or waited."""
        return self.measured / self.predicted

    @property
    def cpu_ratio(self) -> float:
        """Measured over predicted CPU time; above 1 if the whole does work that no stage has."""
        return self.cpu_measured / sum(self.parts.values())


def predicted(dataset: DatasetReport, *, cores: int) -> list[Prediction]:
    """Return what the stages let expect of each loader and of the training step.

    Args:
        dataset: what was measured.
        cores: the number of cores that the process may use.
    """
    found = []
    for whole in dataset.measurements:
        parts = _parts(dataset, whole)
        if parts:
            rate = _rate(dataset, whole, parts, cores)
            found.append(
                Prediction(
                    name=whole.name,
                    threads=whole.threads,
                    parts=parts,
                    predicted=rate,
                    measured=whole.images_per_second,
                    cpu_measured=whole.cpu_seconds_per_image,
                )
            )
    return found


def _parts(dataset: DatasetReport, whole: Measurement) -> dict[str, float]:
    """Return the CPU seconds per image of the stages of a loader or a training step."""
    is_training = whole.name == TRAINING
    if (not is_training and not whole.name.startswith(BATCHES)) or "dali" in whole.name:
        return {}
    if is_training and dataset.find(f"{BATCHES} (dali)"):
        return {}  # DALI's work per image is not the sum of our stages
    names = [READ_WARM, DECODE, RESIZE]
    if is_training or "torch" in whole.name:
        names.append(NORMALIZE)  # measured where the CPU does it
    if is_training and dataset.device == "cpu":
        names.append(MODEL)
    stages = [dataset.find(name) for name in names]
    return {stage.name: stage.cpu_seconds_per_image for stage in stages if stage}


def _rate(dataset: DatasetReport, whole: Measurement, parts: dict[str, float], cores: int) -> float:
    """Return images per second: the slowest of the cores, the loader's threads and the caller's."""
    in_caller = parts.get(NORMALIZE, 0.0)
    in_model = parts.get(MODEL, 0.0)
    in_threads = sum(parts.values()) - in_caller - in_model
    rates = [cores / sum(parts.values()), min(whole.threads, cores) / in_threads]
    if in_caller:
        rates.append(1 / in_caller)
    meanwhile = [MODEL] if whole.name == TRAINING else []
    if whole.name == TRAINING or "torch" in whole.name:
        meanwhile.append(COPY)
    rates += [one.images_per_second for one in map(dataset.find, meanwhile) if one]
    return min(rates)


class Demand(NamedTuple):
    """A speed that is needed, and what needs it."""

    name: str
    images_per_second: float


def verdict(report: Report, dataset: DatasetReport) -> str:
    """Return which stage limits, and what would suffice, in plain sentences."""
    loader = dataset.find(BATCHES)
    assert loader is not None
    demands = _demands(report, dataset)
    sentences = [_enough(report, dataset, loader, demand) for demand in demands]
    if not demands:
        sentences = [
            f"The loader {_speed(loader)}, and {_limit(dataset, loader)}. "
            "Give --target or --model to see whether that is fast enough."
        ]
    least = min([loader.images_per_second, *(one.images_per_second for one in demands)])
    return " ".join([*sentences, *_storage(report, dataset, least)])


def _demands(report: Report, dataset: DatasetReport) -> list[Demand]:
    demands = []
    if report.options.target:
        demands.append(Demand("the target", report.options.target))
    model = dataset.find(MODEL)
    if model:
        where = "GPU" if dataset.device == "cuda" else "CPU"
        name = f"the training step of {report.options.model} on the {where}"
        demands.append(Demand(name, model.images_per_second))
    return demands


def _enough(report: Report, dataset: DatasetReport, loader: Measurement, demand: Demand) -> str:
    wanted = f"{demand.name} ({demand.images_per_second:,.0f} images/s)"
    cost = loader.cpu_seconds_per_image
    enough = max(1, math.ceil(demand.images_per_second * cost))
    if loader.images_per_second >= demand.images_per_second:
        return (
            f"The loader is fast enough for {wanted}: it {_speed(loader)}, "
            f"{loader.images_per_second / demand.images_per_second:.1f} times what is needed. "
            f"{_cores(enough)} would suffice."
        )
    others = [
        f"{other.format}: {_cores(max(1, math.ceil(demand.images_per_second * fit)))}"
        for other in report.datasets
        if other is not dataset
        and (its := other.find(BATCHES))
        and (fit := its.cpu_seconds_per_image) < cost
    ]
    instead = f" ({', '.join(others)})" if others else ""
    slow = f"The loader is too slow for {wanted}: it {_speed(loader)}"
    if enough <= min(loader.threads, report.machine["cores_allowed"]):
        return (
            f"{slow}. It used the CPU time of {_cores(enough)}, so an idle machine would "
            "suffice; see the warnings and the spread."
        )
    return (
        f"{slow}, and {_limit(dataset, loader)}. {_cores(enough)} like these would "
        f"suffice{instead}{_hint(dataset)}."
    )


def _limit(dataset: DatasetReport, loader: Measurement) -> str:
    parts = _parts(dataset, loader)
    if not parts:
        return "its stages are not known"
    most = max(parts, key=lambda name: parts[name])
    share = parts[most] / sum(parts.values())
    return f"its slowest stage, {most}, takes {share:.0%} of the CPU time"


def _speed(loader: Measurement) -> str:
    threads = f"{loader.threads} thread{'s' * (loader.threads > 1)}"
    return f"delivers {loader.images_per_second:,.0f} images/s with {threads}"


def _cores(count: int) -> str:
    return f"{count} core{'s' * (count > 1)}"


def _hint(dataset: DatasetReport) -> str:
    if dataset.seekable or dataset.pixels:
        return ""
    return (
        "; the JPEGs have no restart markers, and `imnet-data convert --jpeg seekable` makes "
        "decoding a crop cheaper"
    )


def _storage(report: Report, dataset: DatasetReport, wanted: float) -> list[str]:
    """Return what storage delivers when a record is not in the page cache."""
    cold = dataset.find(READ_COLD)
    if cold is None:
        return []
    fits = dataset.nbytes < report.machine["memory_nbytes"] * 0.8  # programs need the rest
    size = f"{dataset.nbytes / 1e9:,.1f} GB"
    if cold.cache != "cold":
        return [f"The speed of the storage is not known: {cold.cache}."]
    if cold.images_per_second >= wanted:
        return []
    limit = f"storage limits: it delivers {cold.images_per_second:,.0f} images/s in epoch order"
    if fits:
        return [f"In the first epoch, {limit}; then all {size} are in memory."]
    return [f"The dataset ({size}) does not fit into memory, so {limit}."]


def predictions(report: Report, dataset: DatasetReport) -> list[Prediction]:
    """Return what to expect of the whole, with this machine's cores."""
    return predicted(dataset, cores=report.machine["cores_allowed"])
