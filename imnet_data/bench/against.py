"""Two datasets or two environments measured in one run, in turn, so that both meet the same.

Of environments, each round is a process in each, and they alternate in coming first. So repeats
hold what differs between processes, too: the places of memory, the state of a loader.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.bench.compare import compare
from imnet_data.bench.document import read
from imnet_data.bench.rounds import measure
from imnet_data.errors import EvaluationError
from imnet_data.machine.progress import Step, no_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.bench.compare import Comparison
    from imnet_data.bench.options import BenchOptions
    from imnet_data.bench.report import Report
    from imnet_data.machine.progress import Progress


def python_of(path: Path) -> Path | None:
    """Return the Python of a virtual environment's folder, or itself; None for anything else."""
    inside = path / "bin" / "python"
    if inside.is_file():
        return inside.absolute()
    return path.absolute() if path.is_file() else None


def measure_datasets(
    root: Path, other: Path, options: BenchOptions, *, progress: Progress = no_progress
) -> Comparison:
    """Measure two datasets of the same records, stage by stage in turn, and compare them."""
    report = measure([root, other], options, progress=progress)
    both = [dataclasses.replace(report, datasets=[one], warnings=[]) for one in report.datasets]
    changes = compare(*both)
    return dataclasses.replace(changes, notes=[*changes.notes, *report.warnings])


def measure_environments(
    root: Path, other: Path, options: BenchOptions, *, progress: Progress = no_progress
) -> Comparison:
    """Measure a dataset with this environment and another one, in turn, and compare them.

    Args:
        root: folder of the dataset.
        other: Python of the other environment, which has this package.
        options: what is measured; one repeat a process.
        progress: called before each process.

    Raises:
        EvaluationError: if a process fails.
    """
    pythons = Path(sys.executable), other
    rounds: tuple[list[Report], list[Report]] = ([], [])
    with tempfile.TemporaryDirectory(prefix=".bench-") as folder:
        for number in range(options.repeats):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                task = f"round {number + 1} of {options.repeats}: {pythons[side]}"
                progress(Step(task, 2 * number + len(rounds[side]) % 2, 2 * options.repeats))
                out = Path(folder) / f"{number}-{side}.json"
                rounds[side].append(_run(pythons[side], root, options, out))
    return compare(_merged(rounds[0]), _merged(rounds[1]))


def _run(python: Path, root: Path, options: BenchOptions, out: Path) -> Report:
    """Run one round in a process; the arguments are those that every version has."""
    command = [str(python), "-m", "imnet_data", "bench", str(root.absolute()), "--json", str(out)]
    command += ["--repeats", "1", "--seconds", f"{options.seconds:g}", "--loader", options.loader]
    command += ["--threads", ",".join(map(str, options.threads)), "--size", str(options.size)]
    command += ["--batch-size", str(options.batch_size), "--precision", options.precision]
    if options.model is not None:
        command += ["--model", options.model]
    # elsewhere than here, so that a package in this folder is not taken for the environment's
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=out.parent)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise EvaluationError(
            f"{python}: bench ended with status {done.returncode} and said: {said}; "
            "install imnet-data there, or name another environment"
        )
    return read(out)


def _merged(reports: Sequence[Report]) -> Report:
    """Return one report with the repeats of all rounds."""
    first, *others = reports
    for report in others:
        for dataset, other in zip(first.datasets, report.datasets, strict=True):
            for one, same in zip(dataset.measurements, other.measurements, strict=True):
                one.repeats += same.repeats
                one.checked += same.checked
    # what each process warned of is of one repeat, and came to both sides alike
    first.warnings = []
    return first
