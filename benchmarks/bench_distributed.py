"""What do parts, and a Ray cluster, cost beside one run of the same conversion?

Photographs are repeated to a tar of `--nbytes`, which stays in FOLDER for further runs. It is
converted by each of `--runs`, in this order, in each round. `one` is one run; `parts:4` is four
parts one after another, each with all workers; `beside:2` is two parts at the same time, each with
its share of the workers; `ray` is a Ray cluster on this machine, with a CPU for each worker. The
cluster runs before a command is timed, as one does that is there; what the command itself needs to
start, connect, have Ray's workers import the package and disconnect counts. Every result has the
same SHA256SUMS. Before each, what was written is synced, and the tar is read once. CPU time is that
of the whole machine, by /proc/stat, so nothing else may run. The last line is one JSON document.

    python benchmarks/bench_distributed.py PHOTOGRAPHS FOLDER --nbytes 12000000000 --runs one ray

PHOTOGRAPHS is a folder of JPEGs.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

WNIDS = ("n01440764", "n01443537", "n01484850", "n01491361")
BUSY = (0, 1, 2, 5, 6)  # user, nice, system, irq, softirq: columns of /proc/stat


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nbytes", type=int, default=2_800_000_000)
    parser.add_argument("--runs", nargs="+", default=["one", "parts:4", "beside:2", "ray"])
    parser.add_argument("--out", type=Path, help="where to convert to [default: FOLDER/out]")
    parser.add_argument("--shard-size", default="32MiB")
    parser.add_argument("--jpeg", default="seekable")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    tar = args.folder / f"photographs-{args.nbytes}.tar"
    if not tar.exists():
        write_tar(tar, args.photographs, args.nbytes)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode
    if args.rounds:
        report(measured(args, tar), args)


def write_tar(path, photographs, nbytes):
    """Write photographs again and again, under names of their own."""
    found = sorted(photographs.rglob("*.JPEG")) + sorted(photographs.rglob("*.jpg"))
    part = path.with_suffix(".part")
    with tarfile.open(part, "w") as archive:
        number = 0
        while archive.offset < nbytes:
            photograph = found[number % len(found)]
            wnid = WNIDS[number % len(WNIDS)]
            member = tarfile.TarInfo(f"train/{wnid}/{wnid}_{number}.JPEG")
            member.size = photograph.stat().st_size
            with photograph.open("rb") as file:
                archive.addfile(member, file)
            number += 1
    part.rename(path)


def measured(args, tar):
    """Return wall and CPU seconds of each run, by what did it."""
    out = args.out or args.folder / "out"
    times, sums = {name: [] for name in args.runs}, set()
    with cluster(args) as address:
        runs = {name: commands(name, args.workers, address) for name in times}
        for _ in range(args.rounds):
            for name, (options, together) in runs.items():
                words = [sys.executable, "-m", "imnet_data", "convert", str(tar), str(out)]
                words += ["--classes", "found", "--shard-size", args.shard_size]
                words += ["--jpeg", args.jpeg]
                settle(tar)
                begin, busy = time.perf_counter(), busy_seconds()
                run([[*words, *more] for more in options], together=together)
                seconds = time.perf_counter() - begin
                times[name].append((seconds, busy_seconds() - busy))
                sums.add((out / "SHA256SUMS").read_bytes())
                shutil.rmtree(out)
    assert len(sums) == 1
    return times


def settle(tar):
    """Have nothing waiting to be written, and of the tar in the page cache what has room there."""
    os.sync()
    with tar.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


@contextmanager
def cluster(args):
    """Give the address of a Ray cluster, if one is asked for."""
    if "ray" not in args.runs:
        yield ""
        return
    import ray

    (args.folder / "r" / "ray").mkdir(parents=True, exist_ok=True)
    os.environ["RAY_TMPDIR"] = str(args.folder / "r")
    started = ray.init(num_cpus=args.workers, include_dashboard=False, log_to_driver=False)
    try:
        yield started.address_info["gcs_address"]
    finally:
        ray.shutdown()


def commands(name, workers, address):
    """Return the options of each command of a way to convert, and whether they run together."""
    kind, _, count = name.partition(":")
    if kind == "one":
        return [["--workers", str(workers)]], False
    if kind == "ray":
        return [[f"--ray={address}"]], False
    together = kind == "beside"
    each = str(workers // int(count) if together else workers)
    parts = [f"{number}/{count}" for number in range(1, int(count) + 1)]
    return [["--workers", each, "--part", part] for part in parts], together


def run(commands, *, together):
    """Run commands one after another, or together."""
    started = []
    for command in commands:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        if not together:
            started[-1].wait()
    for process in started:
        if process.wait():
            raise SystemExit(f"{process.args} has ended with {process.returncode}")


def busy_seconds():
    """Return how long the cores of this machine have worked since it was started."""
    columns = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(columns[at]) for at in BUSY) / os.sysconf("SC_CLK_TCK")


def report(times, args):
    for name in times:
        for what, column in (("s", 0), ("CPU s", 1)):
            found, base = ([each[column] for each in times[of]] for of in (name, "one"))
            ratio = statistics.median(found) / statistics.median(base)
            listed = ", ".join(f"{value:.2f}" for value in found)
            print(f"{name:9} {ratio:6.3f} x one  {listed} {what}")
    document = {
        "benchmark": "distributed",
        "nbytes": args.nbytes,
        "jpeg": args.jpeg,
        "shard_size": args.shard_size,
        "workers": args.workers,
        "seconds": times,
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
