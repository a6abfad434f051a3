"""What follows from all stages: the speed to expect, the stage that limits it, what would suffice.

CPU stages share the cores, so their CPU times add up: n threads on c cores are expected to process
min(n, c) / (CPU seconds per image over all stages) images per second. Another device works at the
same time, so of what runs there only the slowest counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imnet_data.bench.measurement import Measurement
from imnet_data.bench.names import (
    BATCHES,
    COPY,
    DECODE,
    MODEL,
    NORMALIZE,
    READ_WARM,
    RESIZE,
    TRAINING,
    WARM_BATCHES,
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


def predicted(dataset: DatasetReport, *, cores: float) -> list[Prediction]:
    """Return what the stages let expect of each loader and of the training step.

    Args:
        dataset: what was measured.
        cores: the number of physical cores that the process may use, or its quota.
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
    if (not is_training and not whole.name.startswith(WARM_BATCHES)) or "dali" in whole.name:
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


def _rate(
    dataset: DatasetReport, whole: Measurement, parts: dict[str, float], cores: float
) -> float:
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


def predictions(report: Report, dataset: DatasetReport) -> list[Prediction]:
    """Return what to expect of the whole, with this machine's cores."""
    cores = report.machine.get("cores_to_predict_with", report.machine["cores_allowed"])
    return predicted(dataset, cores=cores)
