"""What the stages say together: what the whole should do, what limits it, what would be enough.

CPU stages share the cores, so their CPU times add up: n threads on c cores are expected to make
min(n, c) / (CPU seconds an image of all stages) images a second. What runs on another device goes
on meanwhile, so there the slowest counts alone.
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
    """What is expected of several stages together, and what they did."""

    name: str
    threads: int
    parts: dict[str, float]  # stage -> CPU seconds an image
    predicted: float  # images a second
    measured: float
    cpu_measured: float  # CPU seconds an image of the whole

    @property
    def ratio(self) -> float:
        """Measured over predicted speed; below 1 where cores were busy otherwise, or waited."""
        return self.measured / self.predicted

    @property
    def cpu_ratio(self) -> float:
        """Measured over predicted CPU time; above 1 for what the whole does and no stage has."""
        return self.cpu_measured / sum(self.parts.values())


def predicted(dataset: DatasetReport, *, cores: int) -> list[Prediction]:
    """Return what was expected of each loader and of the training step, where stages say it.

    Args:
        dataset: what was measured.
        cores: that the process may use.
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
    """Return the CPU seconds an image of the stages that a loader or a training step has."""
    is_training = whole.name == TRAINING
    if (not is_training and not whole.name.startswith(BATCHES)) or "dali" in whole.name:
        return {}
    if is_training and dataset.find(f"{BATCHES} (dali)"):
        return {}  # what DALI does to an image is not what our stages do
    names = [READ_WARM, DECODE, RESIZE]
    if is_training or "torch" in whole.name:
        names.append(NORMALIZE)  # measured where the CPU does it
    if is_training and dataset.device == "cpu":
        names.append(MODEL)
    stages = [dataset.find(name) for name in names]
    return {stage.name: stage.cpu_seconds_per_image for stage in stages if stage}


def _rate(dataset: DatasetReport, whole: Measurement, parts: dict[str, float], cores: int) -> float:
    """Return images a second: the slowest of the cores, the loader's threads and the caller's."""
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
    """Who wants how many images a second."""

    name: str
    images_per_second: float


def verdict(report: Report, dataset: DatasetReport) -> str:
    """Say which stage limits, and what would be enough, in plain sentences."""
    loader = dataset.find(BATCHES)
    assert loader is not None
    demands = _demands(report, dataset)
    said = [_enough(report, dataset, loader, demand) for demand in demands]
    if not demands:
        said = [
            f"{_limit(dataset, loader)}: {_speed(loader)}. With --target or --model it is said "
            "whether that is enough."
        ]
    least = min([loader.images_per_second, *(one.images_per_second for one in demands)])
    return " ".join([*said, *_storage(report, dataset, least)])


def _demands(report: Report, dataset: DatasetReport) -> list[Demand]:
    demands = []
    if report.options.target:
        demands.append(Demand("the target", report.options.target))
    model = dataset.find(MODEL)
    if model:
        where = "GPU" if dataset.device == "cuda" else "CPU"
        name = f"a step of {report.options.model} on the {where}"
        demands.append(Demand(name, model.images_per_second))
    return demands


def _enough(report: Report, dataset: DatasetReport, loader: Measurement, demand: Demand) -> str:
    wanted = f"{demand.name} ({demand.images_per_second:,.0f} images/s)"
    cost = loader.cpu_seconds_per_image
    enough = max(1, math.ceil(demand.images_per_second * cost))
    if loader.images_per_second >= demand.images_per_second:
        return (
            f"The loader keeps {wanted} busy: {_speed(loader)}, "
            f"{loader.images_per_second / demand.images_per_second:.1f} times what is wanted, "
            f"and {_cores(enough)} would do."
        )
    others = [
        f"{other.format} {_cores(max(1, math.ceil(demand.images_per_second * fit)))}"
        for other in report.datasets
        if other is not dataset
        and (its := other.find(BATCHES))
        and (fit := its.cpu_seconds_per_image) < cost
    ]
    instead = f" ({', '.join(others)})" if others else ""
    limit = _limit(dataset, loader)
    if enough <= min(loader.threads, report.machine["cores_allowed"]):
        return (
            f"{wanted[0].upper()}{wanted[1:]} would wait: {_speed(loader)}. Its CPU time is that "
            f"of {_cores(enough)}, so an idle machine would do; see the warnings, and the spread."
        )
    return (
        f"{wanted[0].upper()}{wanted[1:]} would wait. {limit}: {_speed(loader)}; it takes "
        f"{_cores(enough)} like these{instead}{_hint(dataset)}."
    )


def _limit(dataset: DatasetReport, loader: Measurement) -> str:
    parts = _parts(dataset, loader)
    if not parts:
        return "The loader limits"
    most = max(parts, key=lambda name: parts[name])
    share = parts[most] / sum(parts.values())
    return f"{most[0].upper()}{most[1:]} limits, with {share:.0%} of the CPU time of an image"


def _speed(loader: Measurement) -> str:
    threads = f"{loader.threads} thread{'s' * (loader.threads > 1)}"
    return f"{loader.images_per_second:,.0f} images/s with {threads}"


def _cores(count: int) -> str:
    return f"{count} core{'s' * (count > 1)}"


def _hint(dataset: DatasetReport) -> str:
    if dataset.seekable or dataset.pixels:
        return ""
    return (
        "; its JPEGs have no restart markers: `imnet-data convert --jpeg seekable` makes the "
        "decoding of a crop cheaper"
    )


def _storage(report: Report, dataset: DatasetReport, wanted: float) -> list[str]:
    """Say what storage does when a record is not in the page cache."""
    cold = dataset.find(READ_COLD)
    if cold is None:
        return []
    fits = dataset.nbytes < report.machine["memory_nbytes"] * 0.8  # the rest is for programs
    size = f"{dataset.nbytes / 1e9:,.1f} GB"
    if cold.cache != "cold":
        return [f"What storage gives is not known: {cold.cache}."]
    if cold.images_per_second >= wanted:
        return []
    gives = f"storage gives {cold.images_per_second:,.0f} images/s in epoch order"
    if fits:
        return [f"In the first epoch {gives}, which limits; then {size} are in memory."]
    return [f"{size} do not fit into memory, and {gives}: storage limits."]


def predictions(report: Report, dataset: DatasetReport) -> list[Prediction]:
    """Return what was expected of the whole, for this machine's cores."""
    return predicted(dataset, cores=report.machine["cores_allowed"])
