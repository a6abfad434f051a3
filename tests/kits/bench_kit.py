"""Reports of given numbers, so that what is said of them can be held against arithmetic."""

from typing import Any

from imnet_data.bench import names
from imnet_data.bench.measurement import Measurement, Repeat
from imnet_data.bench.options import BenchOptions
from imnet_data.bench.report import DatasetReport, Report

SPEEDS = (0.99, 1.0, 1.01, 1.0, 0.995)  # of five repeats, of the middle one


def measurement(name, speed, *, cpu, threads=1, is_cold=None, storage=0.0, speeds=SPEEDS):
    """Return repeats of 100 images of 1000 bytes; the share `storage` came from there."""
    repeats = [
        Repeat(
            images=100,
            nbytes=100_000,
            seconds=100 / (speed * factor),
            cpu_seconds=100 * cpu / factor,
            batch_seconds=[10 / (speed * factor)] * 10,
            first_batch_seconds=0.25,
            peak_nbytes=5_000_000,
            storage_nbytes=round(storage * 100_000),
            others_cores=0.0,
        )
        for factor in speeds
    ]
    return Measurement(
        name=name, threads=threads, takes="bytes", is_cold=is_cold, checked=8, repeats=repeats
    )


def dataset(*, decode=500e-6, batches=1600.0, cold=5000.0, from_storage=1.0, **fields):
    """Return a dataset whose stages take 100 us, `decode` and 150 us, with a loader of two threads.

    Args:
        decode: CPU seconds per image.
        batches: images per second of the loader with two threads.
        cold: images per second from storage.
        from_storage: share of the cold reads' bytes that came from there.
        fields: of DatasetReport.
    """
    measurements = [
        measurement(names.READ_COLD, cold, cpu=100e-6, is_cold=True, storage=from_storage),
        measurement(names.READ_WARM, 10_000, cpu=100e-6, is_cold=False),
        measurement(names.DECODE, 1 / decode, cpu=decode),
        measurement(names.RESIZE, 1 / 150e-6, cpu=150e-6),
        measurement("batches (cpu)", batches / 2, cpu=2 / batches, is_cold=False),
        measurement("batches (cpu)", batches, cpu=2 / batches, threads=2, is_cold=False),
    ]
    known: dict[str, Any] = {
        "root": "/data/imagenet",
        "format": "webdataset",
        "split": "train",
        "digest": "0" * 64,
        "records": 1000,
        "nbytes": 1_000_000,
        "sampled": 500,
        "seekable": 500,
        "pixels": 0,
        "storage": "ext4 on /dev/sda1",
        "device": "cpu",
        "measurements": measurements,
    }
    return DatasetReport(**known | fields)


def report(*datasets, options=None, warnings=(), **machine):
    known = {
        "cpu": "a processor",
        "cores": 2,
        "cores_allowed": 2,
        "governor": "performance",
        "memory_nbytes": 16_000_000_000,
        "gpu": [],
        "simd": "avx2",
        "system": "Linux",
    }
    return Report(
        date="2026-01-01T00:00:00+00:00",
        command="imnet-data bench /data/imagenet",
        options=options or BenchOptions(threads=(1, 2)),
        machine=known | machine,
        versions={"python": "3.11", "imnet-data": "0.1.0"},
        load_before=0.1,
        load_after=1.9,
        others_cores=0.0,
        stolen_cores=0.0,
        warnings=list(warnings),
        datasets=list(datasets) or [dataset()],
    )
