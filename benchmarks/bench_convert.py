"""How long does a pass-through conversion take, against copying the tarball with `cp`?

Both read the same train tarball, once it was read, and write to the same disk; they take turns,
five rounds, medians count; what the conversion wrote is verified after timing. `cp` returns before
its bytes are on the disk and a conversion does not, so `cp` followed by `sync` is timed as well;
of a tarball larger than memory, as ImageNet's is, `cp` has to wait for the disk by itself. The last
line is one JSON document.

    python benchmarks/bench_convert.py TARBALLS OUT [--format webdataset] [--workers N] [--rounds N]

TARBALLS is a folder with the official files, or what `imnet-data synth` makes; OUT is on the disk
that is to be measured, and is emptied.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(*commands):
    begin = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tarballs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--format", default="webdataset")
    parser.add_argument("--jpeg", default="original", help="original is a pass-through")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    tarball = args.tarballs / "ILSVRC2012_img_train.tar"
    copy, converted = args.out / "copy.tar", args.out / "dataset"
    convert = [sys.executable, "-m", "imnet_data", "convert", str(tarball), str(converted)]
    convert += ["--format", args.format, "--classes", "found", "--jpeg", args.jpeg]
    convert += ["--workers", str(args.workers)] if args.workers else []
    times = {"cp": [], "cp and sync": [], "convert": []}
    seconds(["cat", str(tarball)])  # into the page cache
    for _ in range(args.rounds):
        for name, commands in (
            ("cp", [["cp", str(tarball), str(copy)]]),
            ("cp and sync", [["cp", str(tarball), str(copy)], ["sync", str(copy)]]),
            ("convert", [convert]),
        ):
            shutil.rmtree(args.out, ignore_errors=True)
            args.out.mkdir(parents=True)
            subprocess.run(["sync"], check=True)
            times[name].append(seconds(*commands))
    subprocess.run([sys.executable, "-m", "imnet_data", "verify", str(converted)], check=True)
    shutil.rmtree(args.out)
    report(times, tarball.stat().st_size, args)


def report(times, nbytes, args):
    medians = {name: statistics.median(rounds) for name, rounds in times.items()}
    for name, median in medians.items():
        ratio = median / medians["cp"]
        print(f"{name:12} {median:6.2f} s  {nbytes / median / 1e6:6.0f} MB/s  {ratio:.2f} x cp")
    document = {
        "benchmark": "convert",
        "format": args.format,
        "jpeg": args.jpeg,
        "workers": args.workers,
        "nbytes": nbytes,
        "seconds": times,
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    if args.rounds < 5:
        print("Fewer than five rounds: take these figures as rough.")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
