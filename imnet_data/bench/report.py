"""All that was measured, and what it was measured on; as JSON and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imnet_data.bench.measurement import Measurement
    from imnet_data.bench.options import BenchOptions


@dataclass(kw_only=True)
class DatasetReport:
    """One dataset, and its stages."""

    root: str
    format: str
    split: str
    digest: str  # of the split's manifest
    records: int
    nbytes: int  # of all stored images
    sampled: int  # records that the stages on memory work on
    seekable: int  # of them, JPEGs with restart markers
    pixels: int  # of them, stored as pixels
    storage: str | None  # file system and device
    device: str  # where a model runs, "cpu" or "cuda"
    dali_memory: str | None = None  # what DALI allocates ahead on a GPU
    measurements: list[Measurement] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # stage -> why

    def find(self, start: str, *, threads: int | None = None) -> Measurement | None:
        """Return the measurement whose name begins so, if there is one; the last of several."""
        found = [
            one
            for one in self.measurements
            if one.name.startswith(start) and threads in (None, one.threads)
        ]
        return found[-1] if found else None


@dataclass(kw_only=True)
class Report:
    """A whole run."""

    date: str  # ISO 8601, UTC
    command: str
    options: BenchOptions
    machine: dict[str, Any]
    versions: dict[str, str]
    load_before: float  # load average of the last minute
    load_after: float
    others_cores: float | None  # that other processes used meanwhile
    stolen_cores: float | None  # that the host of a virtual machine took meanwhile
    warnings: list[str]
    datasets: list[DatasetReport]

    @property
    def gpus(self) -> int:
        """GPUs whose demand counts: those asked for, or all that are visible."""
        return self.options.gpus or self.machine.get("gpus_visible") or 1
