"""What do parts, and a Ray cluster, cost beside one run of the same conversion?

Photographs are repeated to a tar of `--nbytes`; it is converted by one process pool, by parts one
after another, and by a Ray cluster on this machine, all with the same number of workers. They take
turns; ratios are of medians; every result has the same SHA256SUMS. The cluster runs before a
command is timed, as one does that is there; what the command itself needs to start, connect, have
Ray's workers import the package and disconnect counts. The last line is one JSON document.

    python benchmarks/bench_distributed.py PHOTOGRAPHS FOLDER [--parts 4] [--rounds 3]

PHOTOGRAPHS is a folder of JPEGs; FOLDER is emptied.
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
from functools import partial
from pathlib import Path

WNIDS = ("n01440764", "n01443537", "n01484850", "n01491361")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nbytes", type=int, default=700_000_000)
    parser.add_argument("--shard-size", default="32MiB")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    args.folder.mkdir(parents=True)
    try:
        tar = args.folder / "train.tar"
        count = write_tar(tar, args.photographs, args.nbytes)
        report(measured(args, tar), count, args)
    finally:
        shutil.rmtree(args.folder)


def write_tar(path, photographs, nbytes):
    """Write photographs again and again, under names of their own; return how many."""
    found = sorted(photographs.rglob("*.JPEG")) + sorted(photographs.rglob("*.jpg"))
    with tarfile.open(path, "w") as archive:
        number = 0
        while archive.offset < nbytes:
            photograph = found[number % len(found)]
            wnid = WNIDS[number % len(WNIDS)]
            member = tarfile.TarInfo(f"train/{wnid}/{wnid}_{number}.JPEG")
            member.size = photograph.stat().st_size
            with photograph.open("rb") as file:
                archive.addfile(member, file)
            number += 1
    return number


def measured(args, tar):
    """Return the seconds of each run, by what did it."""
    import ray

    (args.folder / "r" / "ray").mkdir(parents=True)
    os.environ["RAY_TMPDIR"] = str(args.folder / "r")
    started = ray.init(num_cpus=args.workers, include_dashboard=False, log_to_driver=False)
    address = started.address_info["gcs_address"]
    workers = ["--workers", str(args.workers)]
    parts = [[*workers, "--part", f"{n}/{args.parts}"] for n in range(1, args.parts + 1)]
    runs = {"one run": [workers], "parts": parts, "Ray": [[f"--ray={address}"]]}
    times, sums = {name: [] for name in runs}, set()
    convert = partial(converted, tar, args.folder / "out", args.shard_size)
    for _ in range(args.rounds):
        for name, commands in runs.items():
            seconds, found = convert(commands)
            times[name].append(seconds)
            sums.add(found)
    assert len(sums) == 1
    ray.shutdown()
    return times


def converted(tar, out, shard_size, commands):
    """Return how long commands take, and SHA256SUMS of the dataset that they have made."""
    words = [sys.executable, "-m", "imnet_data", "convert", str(tar), str(out)]
    words += ["--shard-size", shard_size, "--classes", "found"]
    begin = time.perf_counter()
    for more in commands:
        subprocess.run([*words, *more], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    sums = (out / "SHA256SUMS").read_bytes()
    shutil.rmtree(out)
    return seconds, sums


def report(times, count, args):
    medians = {name: statistics.median(rounds) for name, rounds in times.items()}
    for name, median in medians.items():
        ratio = median / medians["one run"]
        print(f"{name:8} {median:6.2f} s  {ratio:.3f} x one run  {sorted(times[name])}")
    document = {
        "benchmark": "distributed",
        "images": count,
        "nbytes": args.nbytes,
        "workers": args.workers,
        "parts": args.parts,
        "seconds": times,
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
