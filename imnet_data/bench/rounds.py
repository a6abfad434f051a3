"""Measures: all stages of all datasets in turn, round after round, each result checked."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from imnet_data import arguments
from imnet_data.bench import machine, names
from imnet_data.bench.cold import ColdLoading
from imnet_data.bench.loading import Loading
from imnet_data.bench.measurement import measurement_of, repeat
from imnet_data.bench.options import FEWEST_REPEATS
from imnet_data.bench.ranks import SideBySide
from imnet_data.bench.reading import Reading, hashes_of
from imnet_data.bench.report import DatasetReport, Report
from imnet_data.bench.sample import Sample, work_of
from imnet_data.bench.stages import Normalizing, in_memory, is_seekable
from imnet_data.bench.thinking import Thinking
from imnet_data.bench.validation import Validating
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import MissingExtra
from imnet_data.loaders import dali_memory
from imnet_data.machine import nvidia
from imnet_data.machine.progress import Step, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imnet_data.arguments import StrPath
    from imnet_data.bench.loading import Kind
    from imnet_data.bench.measurement import Measurement, Stage
    from imnet_data.bench.options import BenchOptions
    from imnet_data.bench.sample import Work
    from imnet_data.machine.progress import Progress


_FEWEST_BATCHES = 20  # in a repeat
_PRECISE = 0.05  # width of an interval, of the median
_MOST_REPEATS = 50
_LIMIT = 80  # times --seconds, from the first round on: 40 s by default
_WIDE_SPREAD = 0.15  # fastest less slowest repeat, of the median


def measure(
    roots: StrPath | Iterable[StrPath],
    options: BenchOptions,
    *,
    command: str = "",
    progress: Progress = no_progress,
) -> Report:
    """Measure the stages of the pipeline on some datasets.

    Args:
        roots: one folder of a dataset, or several; of each the train split, or the only one.
        options: what is measured.
        command: the command line, for the report.
        progress: called before each repeat of each stage.

    Raises:
        EvaluationError: if a stage gave a wrong result.
        FormatError: if bytes are not what the manifest says.
        MissingExtra: if torch or DALI is asked for, and not installed.
        ValueError: if a dataset is too small for one batch, or there is no such model.
    """
    load_before = os.getloadavg()[0]
    with contextlib.ExitStack() as opened:
        datasets, timed = [], []
        for root in arguments.paths("roots", roots):
            progress(Step(f"opening {root}", 0, 0))
            dataset = opened.enter_context(Dataset.open(root))
            report, stages = _prepared(dataset, options)
            datasets.append(report)
            timed += list(zip(report.measurements, stages, strict=True))
        watch = machine.Watch()
        try:
            _run(timed, options, progress)
        finally:
            for _, stage in timed:  # before the watch ends: time of children counts when they have
                if isinstance(stage, SideBySide):
                    stage.close()
        meanwhile, throttling = watch.others(), watch.throttling()
    facts = machine.facts()
    quota = facts["cpu_quota"]
    return Report(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        options=options,
        machine=facts,
        versions=machine.versions(),
        load_before=load_before,
        load_after=os.getloadavg()[0],
        others_cores=meanwhile and meanwhile.used,
        stolen_cores=meanwhile and meanwhile.stolen,
        warnings=[
            *machine.complaints(
                meanwhile,
                load=load_before if quota is None else None,
                cores=facts["cores"] if quota is None else quota,
                throttling=throttling,
            ),
            *_caveats(options, datasets),
        ],
        datasets=datasets,
    )


def _caveats(options: BenchOptions, datasets: Sequence[DatasetReport]) -> Iterator[str]:
    if options.repeats < FEWEST_REPEATS:
        yield (
            f"{options.repeats} repeats are fewer than {FEWEST_REPEATS}: "
            "their spread says little about the noise"
        )
    measured = [one for dataset in datasets for one in dataset.measurements]
    few = sorted({one.name for one in measured if one.fewest_batches < _FEWEST_BATCHES})
    if few:
        yield (
            f"fewer than {_FEWEST_BATCHES} batches in a repeat of {'; '.join(few)}: "
            "measure longer with --seconds"
        )
    wide = [f"{one.name} {one.spread:.0%}" for one in measured if one.spread > _WIDE_SPREAD]
    if wide:
        yield f"the repeats are far apart: {'; '.join(wide)}; measure longer, or on an idle machine"
    if len({one.digest for one in datasets}) > 1:
        yield "the datasets have other records, so comparing them means little"
    places = dict.fromkeys(one.storage or "storage that is not known" for one in datasets)
    if len(places) > 1:
        yield f"the datasets are on {' and on '.join(places)}: their cold reads compare the two"


def _run(
    timed: Sequence[tuple[Measurement, Stage | SideBySide]],
    options: BenchOptions,
    progress: Progress,
) -> None:
    began = time.monotonic()
    # what empties the page cache comes first, so that the reading after it fills it again
    timed = sorted(timed, key=lambda pair: not pair[1].is_cold)
    total = options.repeats * len(timed)
    for turn in range(options.repeats):
        for number, (measurement, stage) in enumerate(timed):
            threads = f", {stage.threads} threads" if stage.threads > 1 else ""
            done = turn * len(timed) + number
            progress(
                Step(f"round {turn + 1} of {options.repeats}: {stage.name}{threads}", done, total)
            )
            _once(measurement, stage, seconds=options.seconds)
    _extend(timed, options, began, progress)


def _once(measurement: Measurement, stage: Stage | SideBySide, *, seconds: float) -> None:
    timed = stage.timed if isinstance(stage, SideBySide) else functools.partial(repeat, stage)
    measurement.repeats.append(timed(seconds=seconds))
    measurement.checked += stage.check()


def _extend(
    timed: Sequence[tuple[Measurement, Stage | SideBySide]],
    options: BenchOptions,
    began: float,
    progress: Progress,
) -> None:
    """Repeat what is not precise yet, the widest first, until all is or the time is up.

    Cold stages come last: they empty the page cache of the others.
    """
    until = began + _LIMIT * options.seconds
    while time.monotonic() < until:
        wide = [pair for pair in timed if is_wide(pair[0], options)]
        if not wide:
            return
        measurement, stage = max(
            wide, key=lambda pair: (not pair[0].is_cold, pair[0].width / len(pair[0].repeats))
        )
        progress(Step(f"once more: {stage.name}", 0, 0))
        _once(measurement, stage, seconds=options.seconds)


def is_wide(one: Measurement, options: BenchOptions) -> bool:
    """Return whether more repeats are wanted: a loader, or a stage of its sum."""
    names_of = (names.WARM_BATCHES, names.COLD_BATCHES, names.DECODE, names.RESIZE)
    return (
        one.name.startswith(names_of)
        and one.width > _PRECISE
        and options.repeats <= len(one.repeats) < _MOST_REPEATS
        and options.repeats >= FEWEST_REPEATS  # whoever asks for fewer wants to be quick
    )


def _prepared(
    dataset: Dataset, options: BenchOptions
) -> tuple[DatasetReport, list[Stage | SideBySide]]:
    """Return what is known of a dataset before anything is timed, and its stages."""
    work = work_of(dataset, batch_size=options.batch_size, size=options.size)
    hashes = hashes_of(dataset, work)
    sample = Sample(dataset, work, hashes)
    report = DatasetReport(
        root=str(dataset.root),
        format=dataset.about.format,
        split=dataset.split,
        digest=dataset.split_description.digest,
        records=len(dataset),
        nbytes=int(dataset.index.nbytes.sum()),
        sampled=len(sample),
        seekable=sum(is_seekable(sample)),
        pixels=int(np.count_nonzero(sample.is_pixels)),
        storage=machine.storage(dataset.directory),
        device="cpu",
    )
    stages: list[Stage | SideBySide] = [
        Reading(
            dataset,
            work,
            hashes,
            in_epoch_order=in_epoch_order,
            is_cold=is_cold,
            threads=options.threads[-1],
        )
        for is_cold in (True, False)
        for in_epoch_order in (False, True)
    ]
    stages += in_memory(sample)
    if not report.seekable:
        report.skipped[names.CUT] = "the images have no restart markers"
    stages += _device_stages(report, dataset, sample, options)
    if options.loader == "dali" and report.device == "cuda":
        report.dali_memory = dali_memory_of(dataset, threads=options.threads[-1])
    report.measurements = [measurement_of(stage) for stage in stages]
    return report, stages


def dali_memory_of(dataset: Dataset, *, threads: int) -> str:
    """Return what DALI allocates ahead on a GPU for a loader of so many threads."""
    columns = dataset.index
    threads = dali_memory.decoding_threads(threads, device_id=0)
    return str(dali_memory.planned(columns.width, columns.height, threads=threads))


def _device_stages(
    report: DatasetReport, dataset: Dataset, sample: Sample, options: BenchOptions
) -> Iterator[Stage | SideBySide]:
    """Yield the loaders, and what follows them; torch is imported where something needs it."""
    work, kind = sample.work, options.loader
    has_torch = importlib.util.find_spec("torch") is not None
    needs_torch = kind == "torch" or options.model is not None
    if needs_torch and not has_torch:
        raise MissingExtra(
            "--loader torch and --model need torch, which is not installed; "
            "in a clone of imnet-data, run: pip install '.[torch]'"
        )
    if has_torch and (needs_torch or nvidia.gpus()):
        from imnet_data.bench import device

        report.device = device.device_name()
    if report.device == "cuda":
        yield device.Copying(work)
    else:
        report.skipped[names.COPY] = _no_copy(has_torch=has_torch)
        if needs_torch:
            yield Normalizing(sample)
    for threads in options.threads:
        yield _loading(dataset, work, options, kind=kind, threads=threads, device=report.device)
    yield from _cheap_rows(report, dataset, work, options)
    if options.model is None:
        report.skipped[names.MODEL] = "no --model was given"
        return
    classes = len(dataset.classes)
    model = device.Model(options, class_count=classes)
    yield device.ModelStep(model, work, class_count=classes)
    # on a CPU, DALI's batches are as decoded, and a step takes tensors
    tensors: Kind = "dali" if kind == "dali" and report.device == "cuda" else "torch"
    loading = Loading(
        dataset,
        work,
        kind=tensors,
        threads=options.threads[-1],
        seconds=options.seconds,
        device=report.device,
        channels_last=True,
    )
    yield device.TrainingStep(model, loading)


def _cheap_rows(
    report: DatasetReport, dataset: Dataset, work: Work, options: BenchOptions
) -> Iterator[Stage | SideBySide]:
    """Yield the loader from storage, to validate, for a target's accelerator, and side by side."""
    kind, most, seconds = options.loader, options.threads[-1], options.seconds
    for threads in (most, 2 * most):  # who waits for storage needs no core
        yield ColdLoading(
            dataset, work, kind=kind, threads=threads, seconds=seconds, device=report.device
        )
    yield Validating(dataset, work, kind=kind, threads=most, seconds=seconds, device=report.device)
    if options.target:
        step = options.batch_size / options.target
        if step <= seconds:
            loading = Thinking(
                dataset, work, kind=kind, threads=most, seconds=seconds, device=report.device
            )
            yield loading.with_step(step)
        else:
            report.skipped[names.THINKING] = f"a step of {step:.1f} s is longer than --seconds"
    if options.ranks > 1:
        yield SideBySide(dataset, options, device=report.device)


def _no_copy(*, has_torch: bool) -> str:
    if not has_torch:
        return "torch is not installed"
    return "this torch does not see the GPU" if nvidia.gpus() else "there is no NVIDIA GPU"


def _loading(
    dataset: Dataset, work: Work, options: BenchOptions, *, kind: Kind, threads: int, device: str
) -> Loading:
    return Loading(
        dataset, work, kind=kind, threads=threads, seconds=options.seconds, device=device
    )
