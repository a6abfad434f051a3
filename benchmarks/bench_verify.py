"""How fast is `imnet-data verify`, against `sha256sum` of the same files? On one core each.

Both are pinned to one core and read from the page cache; they take turns, five rounds unless
--rounds says otherwise, medians count. `verify` hashes every file as sha256sum does, and every
record besides; of a seekable or packed dataset it also restores each original and hashes that. The
last line is one JSON document.

    python benchmarks/bench_verify.py DATASET [--cpu 0] [--rounds N]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command, cwd, cpu):
    begin = time.perf_counter()
    pin = ["taskset", "--cpu-list", str(cpu)]
    subprocess.run([*pin, *command], cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    nbytes = sum(path.stat().st_size for path in args.dataset.rglob("*") if path.is_file())
    verify = [sys.executable, "-m", "imnet_data", "verify", "--workers", "1", "."]
    commands = {"sha256sum": ["sha256sum", "--check", "--quiet", "SHA256SUMS"], "verify": verify}
    times = {name: [] for name in commands}
    seconds(commands["sha256sum"], args.dataset, args.cpu)  # into the page cache
    for _ in range(args.rounds):
        for name, command in commands.items():
            times[name].append(seconds(command, args.dataset, args.cpu))
    medians = {name: statistics.median(rounds) for name, rounds in times.items()}
    for name, median in medians.items():
        speed = medians["sha256sum"] / median
        print(
            f"{name:10} {median:6.2f} s  {nbytes / median / 1e6:6.0f} MB/s  {speed:.2f} x sha256sum"
        )
    options = json.loads((args.dataset / "dataset.json").read_bytes())["options"]
    document = {
        "benchmark": "verify",
        "options": options,
        "nbytes": nbytes,
        "seconds": times,
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
