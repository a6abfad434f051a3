"""Reads a dataset back through the third-party libraries that its format is made for.

Each library that is installed reads every record, in a process of its own: none is imported here.
What it returns is compared with the manifest; our own reader of the format is not involved.
"""

from __future__ import annotations

import shlex
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments
from imnet_data.dataset import description
from imnet_data.errors import FormatError, MissingExtra, WorkerKilled, verify_command
from imnet_data.machine import pool
from imnet_data.machine.pool import Counter
from imnet_data.machine.progress import Step, no_progress
from imnet_data.verification import readers
from imnet_data.verification.expected import expect
from imnet_data.verification.readers import Split
from imnet_data.verification.returned import EXPOSABLE, Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.description import Description
    from imnet_data.machine.progress import Progress
    from imnet_data.verification.expected import Expectation
    from imnet_data.verification.readers import Reader, Returned
    from imnet_data.verification.returned import Outcome
    from imnet_data.verification.shard import Difference


class ReadBack(NamedTuple):
    """What one library made of a dataset; its text is one line."""

    reader: str
    version: str  # "" where it is not known
    record_count: int = 0  # of the splits that the library reads
    match_count: int = 0
    difference_count: int = 0
    differences: tuple[Difference, ...] = ()  # the first of them
    not_exposed: tuple[str, ...] = ()  # of keys, labels, bytes: these could not be compared
    left_out: tuple[str, ...] = ()  # splits without labels, which the library does not read
    install: str = ""  # the command that installs the library, where it is not there
    import_error: str = ""  # why it cannot be imported, where it is there

    def __str__(self) -> str:
        if self.install:
            return f"{self.reader} is not installed: {self.install}"
        name = f"{self.reader} {self.version}".rstrip()
        if self.import_error:
            return f"{name} cannot be imported ({self.import_error})"
        notes = []
        if self.not_exposed:
            notes.append(f"{' and '.join(self.not_exposed)} are not exposed")
        if self.left_out:
            notes.append(f"not read for lack of labels: {', '.join(self.left_out)}")
        note = f" ({'; '.join(notes)})" if notes else ""
        return f"{name}: {self.match_count:,} of {self.record_count:,} records match{note}"


class _Dataset(NamedTuple):
    root: Path
    about: Description
    expected: dict[str, Expectation]

    def split(self, name: str) -> Split:
        directory = self.root / name
        shards = tuple(directory / shard.name for shard in self.about.splits[name].shards)
        has_labels = bool((self.expected[name].columns.label >= 0).all())
        return Split(name, self.about.format, directory, shards, has_labels)


class _Job(NamedTuple):
    dataset: int
    reader: Reader
    split: Split


class _Answer(NamedTuple):
    job: _Job
    outcome: Outcome | None
    import_error: str = ""


def read_back(
    root: StrPath,
    *,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> list[ReadBack]:
    """Return what each library that reads the format of the dataset at `root` made of it.

    Args:
        root: the folder that holds dataset.json.
        workers: processes; by default one for each core.
        progress: called several times a second.

    Raises:
        ManifestError: if dataset.json or a manifest is missing or damaged.
        FormatError: if its images are packed.
    """
    return read_back_all([root], workers=workers, progress=progress)[0]


def read_back_all(
    roots: Sequence[StrPath], *, workers: int | None, progress: Progress
) -> list[list[ReadBack]]:
    """Do what `read_back` does for several datasets, and import each library fewer times."""
    worker_count = pool.worker_count(workers)
    datasets = [_open(path, worker_count, progress) for path in arguments.paths("root", roots)]
    jobs = [
        _Job(number, reader, split)
        for number, dataset in enumerate(datasets)
        for split in map(dataset.split, dataset.about.splits)
        for reader in readers.of_format(split.format)
        if reader.is_installed and _reads(reader, split)
    ]
    answers = _run(datasets, jobs, worker_count, progress)
    return [
        [
            _result(
                reader,
                dataset,
                [answer for answer in answers if answer.job[:2] == (number, reader)],
            )
            for reader in readers.of_format(dataset.about.format)
        ]
        for number, dataset in enumerate(datasets)
    ]


def _open(root: Path, workers: int, progress: Progress) -> _Dataset:
    about, expected = description.read(root), {}
    if about.options.jpeg == "packed":
        raise FormatError(
            f"{root}: its images are packed, and only imnet-data reads those; "
            f"{verify_command(root)} checks them, and `imnet-data convert {shlex.quote(str(root))} "
            "OUT --jpeg seekable` makes a dataset that other libraries read"
        )
    for split in about.splits:
        progress(Step(f"manifest of {split}", 0, 1))
        expected[split] = expect(root / split, about.classes, workers=workers)
    return _Dataset(root, about, expected)


def _reads(reader: Reader, split: Split) -> bool:
    return split.has_labels or not reader.needs_labels


def _run(
    datasets: Sequence[_Dataset],
    jobs: Sequence[_Job],
    workers: int,
    progress: Progress,
) -> list[_Answer]:
    try:
        return _run_together(datasets, jobs, workers, progress)
    except WorkerKilled:  # by which job is not known: each has a process of its own now
        return [_run_alone(datasets, job, progress) for job in jobs]


def _run_alone(datasets: Sequence[_Dataset], job: _Job, progress: Progress) -> _Answer:
    try:
        (answer,) = _run_together(datasets, [job], 1, progress)
    except WorkerKilled:
        comparison = _comparison(datasets, Counter(), job)
        answer = _Answer(job, comparison.stopped("the process that it ran in was killed"))
    return answer


def _run_together(
    datasets: Sequence[_Dataset],
    jobs: Sequence[_Job],
    workers: int,
    progress: Progress,
) -> list[_Answer]:
    counter = Counter()
    total = sum(datasets[job.dataset].about.splits[job.split.name].record_count for job in jobs)

    def report() -> None:
        done, nbytes = counter.done
        progress(Step("read back", done, total, nbytes))

    task = partial(_read, datasets, counter)
    answers = list(pool.run(task, jobs, workers=workers, counter=counter, poll=report))
    report()
    return answers


def _read(datasets: Sequence[_Dataset], counter: Counter, job: _Job) -> _Answer:
    """Read one split with one library; hide what it prints and warns of."""
    quiet = redirect_stdout(StringIO()), redirect_stderr(StringIO())
    with warnings.catch_warnings(), quiet[0], quiet[1]:
        warnings.simplefilter("ignore")
        try:
            read = job.reader.load()
        except MissingExtra as error:
            return _Answer(job, None, str(error))
        comparison = _comparison(datasets, counter, job)
        return _Answer(job, comparison.run(_records(read, job.split)))


def _comparison(datasets: Sequence[_Dataset], counter: Counter, job: _Job) -> Comparison:
    dataset, split = datasets[job.dataset], job.split.name
    return Comparison(job.reader.name, dataset.about, split, dataset.expected[split], counter)


def _records(read: Callable[[Split], Iterator[Returned]], split: Split) -> Iterator[Returned]:
    try:
        yield from read(split)
    except Exception as error:  # any library has errors of its own
        raise FormatError(readers.in_one_line(error)) from error


def _result(reader: Reader, dataset: _Dataset, answers: Sequence[_Answer]) -> ReadBack:
    """Return what a library made of all splits together."""
    if not reader.is_installed:
        return ReadBack(reader.name, reader.version, install=reader.install)
    for answer in answers:
        if answer.import_error:
            why = f"{answer.import_error}; `python -c 'import {reader.imports}'` shows where"
            return ReadBack(reader.name, reader.version, import_error=why)
    outcomes = [answer.outcome for answer in answers if answer.outcome]
    exposed = {what for outcome in outcomes for what in outcome.exposed}
    splits = map(dataset.split, dataset.about.splits)
    return ReadBack(
        reader.name,
        reader.version,
        record_count=sum(outcome.record_count for outcome in outcomes),
        match_count=sum(outcome.match_count for outcome in outcomes),
        difference_count=sum(outcome.difference_count for outcome in outcomes),
        differences=tuple(one for outcome in outcomes for one in outcome.differences),
        not_exposed=tuple(what for what in EXPOSABLE if what not in exposed) if outcomes else (),
        left_out=tuple(split.name for split in splits if not _reads(reader, split)),
    )
