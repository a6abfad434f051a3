"""Does `imnet-data bench` say what a plain loop measures in the same run?

    python benchmarks/bench_agreement.py DATASET [--seconds 0.5] [--cases one,two,...]

For each case, the command and the loop are run in turn under the same conditions, each in a process
of its own: the loop twice, before the command and after it. The loop knows nothing of the command:
it opens the loader, takes one batch, and counts the images of the others by the clock. They agree
where the intervals of the two overlap. Cases, all by default:

    one, two        1 or 2 threads, warm and cold (the page cache emptied)
    quota           one core's worth of time on all cores: a control group made for it, so root only
    memory          memory of half the dataset, as a control group shows it. It is shown, not
                    enforced: a file mounted over the group's, for these processes alone (root only)
    busy            another process that uses one core
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import imnet_data
from imnet_data import TrainRecipe
from imnet_data.dataset.opened import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH_SIZE = 64
_REPEATS = 6  # the fewest whose range holds the median with 95 %
_APART = 12  # batches between two repeats: what a loader reads beyond those that it is asked for


class Case(NamedTuple):
    """A row or two of the table."""

    name: str
    threads: int
    conditions: str = ""


CASES = {
    "one": Case("1 thread", 1),
    "two": Case("2 threads", 2),
    "quota": Case("1 thread, quota of one core", 1, "quota"),
    "memory": Case("2 threads, memory of half the dataset", 2, "memory"),
    "busy": Case("2 threads, another process", 2, "busy"),
}


def loop(root: Path, threads: int, seconds: float, *, is_cold: bool) -> list[float]:
    """Return images per second of each repeat, cold ones of other records each time."""
    speeds, start = [], 0
    for _ in range(_REPEATS + (not is_cold)):  # the first one fills the page cache
        if is_cold:
            _drop(root)
        with imnet_data.open_loader(
            root, TrainRecipe(size=224), batch_size=_BATCH_SIZE, threads=threads, seed=1
        ) as loader:
            sizes, batches = [], loader.epoch(0, start=start)
            next(batches)
            began = time.perf_counter()
            for batch in batches:
                sizes.append(len(batch.images))
                if time.perf_counter() - began >= seconds:
                    break
            speeds.append(sum(sizes) / (time.perf_counter() - began))
            if is_cold:
                start = (start + len(sizes) + _APART) % (len(loader) * 3 // 4)
    return speeds[not is_cold :]


def _drop(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


@contextlib.contextmanager
def under(conditions: str, root: Path) -> Iterator[list[str]]:
    """Make the conditions, and yield what a command line begins with to be under them."""
    if conditions == "quota":
        group = _group("cpu") / f"imnet-data-{os.getpid()}"
        group.mkdir()
        try:
            is_v2 = (group / "cpu.max").exists()
            (group / ("cpu.max" if is_v2 else "cpu.cfs_quota_us")).write_text("100000")
            yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"]
        finally:
            group.rmdir()
    elif conditions == "memory":
        with tempfile.TemporaryDirectory() as folder, Dataset.open(root) as dataset:
            mounted = _mounted("memory")
            name = "memory.max" if mounted[1] == "cgroup2" else "memory.limit_in_bytes"
            (Path(folder) / name).write_text(str(int(dataset.index.nbytes.sum()) // 2))
            script = f'mount --bind {folder} {mounted[0]} && exec "$@"'
            yield ["unshare", "--mount", "sh", "-c", script, "sh"]
    elif conditions == "busy":
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            yield []
        finally:
            other.kill()
            other.wait()
    else:
        yield []


def _mounted(controller: str) -> tuple[Path, str]:
    """Return where the groups of a controller are, and of which version they are."""
    found = [line.split()[1:4] for line in Path("/proc/self/mounts").read_text().splitlines()]
    groups = [(Path(path), kind, options) for path, kind, options in found if "cgroup" in kind]
    of_v1 = [one for one in groups if controller in one[2].split(",")]
    return (of_v1 or [one for one in groups if one[1] == "cgroup2"])[0][:2]


def _group(controller: str) -> Path:
    """Return the group that this process is in."""
    mounted, kind = _mounted(controller)
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if (kind == "cgroup2" and not controllers) or controller in controllers.split(","):
            return mounted / path.lstrip("/")
    raise OSError(f"this process is in no control group of {controller}")


def _told(root: Path, case: Case, seconds: float, before: list[str]) -> dict[bool, list[float]]:
    """Return the median and the interval that the command tells of the cold and the warm loader."""
    command = [
        *before, sys.executable, "-m", "imnet_data", "bench", str(root), "--json", "-",
        "--threads", str(case.threads), "--seconds", str(seconds), "--repeats", str(_REPEATS),
    ]  # fmt: skip
    (dataset,) = json.loads(subprocess.run(command, check=True, stdout=-1).stdout)["datasets"]
    rows = {(row["name"], row["threads"]): row for row in dataset["measurements"]}
    told = {}
    for is_cold, name in ((False, "batches (cpu)"), (True, "batches, cold (cpu)")):
        row = rows[name, case.threads]
        if row["figures"]["cache"].startswith("cold") is not is_cold:
            print(f"{name}: {row['figures']['cache']}", file=sys.stderr)
        figures = row["figures"]
        told[is_cold] = [figures["images_per_second"], *figures["images_per_second_interval"]]
    print(dataset["verdict"], file=sys.stderr)
    return told


def _looped(root: Path, case: Case, seconds: float, before: list[str]) -> dict[bool, list[float]]:
    found = {}
    for is_cold in (False, True):
        command = [
            *before, sys.executable, __file__, str(root), "--seconds", str(seconds),
            "--loop", str(case.threads), *(["--cold"] if is_cold else []),
        ]  # fmt: skip
        found[is_cold] = json.loads(subprocess.run(command, check=True, stdout=-1).stdout)
    return found


def measure(root: Path, case: Case, seconds: float) -> Iterator[str]:
    """Yield rows of the table."""
    with under(case.conditions, root) as before:
        first = _looped(root, case, seconds, before)
        told = _told(root, case, seconds, before)
        second = _looped(root, case, seconds, before)
    for is_cold in (False, True):
        middle, low, high = told[is_cold]
        speeds = sorted([*first[is_cold], *second[is_cold]])
        inner = speeds[2], speeds[-3]  # of twelve: holds the median with 96 %
        loop_middle = statistics.median(speeds)
        agree = "yes" if inner[0] <= high and low <= inner[1] else "no"
        yield (
            f"| {case.name}, {'cold' if is_cold else 'warm'} | {middle:,.0f} ({low:,.0f} to "
            f"{high:,.0f}) | {loop_middle:,.0f} ({inner[0]:,.0f} to {inner[1]:,.0f}) | "
            f"{middle / loop_middle:.2f} | {agree} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="The command beside a plain loop.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cases", default=",".join(CASES), help="[default: %(default)s]")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each repeat")
    parser.add_argument("--loop", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    parser.add_argument("--cold", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop:
        speeds = loop(arguments.dataset, arguments.loop, arguments.seconds, is_cold=arguments.cold)
        print(json.dumps(speeds))
        return
    print("| case | `bench`, images/s | plain loop | ratio | agree |", flush=True)
    print("| --- | --- | --- | --- | --- |", flush=True)
    for name in arguments.cases.split(","):
        for row in measure(arguments.dataset, CASES[name], arguments.seconds):
            print(row, flush=True)


if __name__ == "__main__":
    main()
