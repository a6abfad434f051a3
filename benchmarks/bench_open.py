"""How long does it take to open a dataset of 1,281,167 records, and how much memory?

Makes such a dataset with tiny images through the conversion itself, then, in a fresh process each,
opens it, walks every column of its index, and reads 1,000 records at random places: five rounds,
medians count. Opening a folder of the same images as torchvision's ImageFolder does, by walking it,
is the rival, on 50,000 of them. The last line is one JSON document.

    python benchmarks/bench_open.py FOLDER [--records 1281167]
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from imnet_data.conversion import convert
from imnet_data.dataset.description import Options
from imnet_data.imagenet import labels
from imnet_data.record import Listing, Record
from imnet_data.sources import Source

ROUNDS = 5
WALKED_RECORDS = 50_000
OPEN = """
import json, sys, time
import numpy as np
from imnet_data.dataset.opened import Dataset
def peak_mb():  # not ru_maxrss, which a process inherits from the one that started it
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before, begin = peak_mb(), time.perf_counter()
dataset = Dataset.open(sys.argv[1])
opened = time.perf_counter()
total = sum(int(np.ascontiguousarray(c).view("u1").max(initial=0)) for c in dataset.index[1:])
walked = time.perf_counter()
memory = peak_mb() - before
places = np.random.default_rng(0).integers(0, len(dataset), 1000)
nbytes = sum(len(dataset[int(place)].jpeg) for place in places)
assert total and nbytes
print(json.dumps({"records": len(dataset), "open_ms": 1e3 * (opened - begin),
    "open_and_walk_ms": 1e3 * (walked - begin), "memory_mb": memory,
    "read_1000_ms": 1e3 * (time.perf_counter() - walked)}))
"""
WALK = """
import json, os, sys, time
begin = time.perf_counter()
samples = [(f.path, n) for n, d in enumerate(sorted(os.scandir(sys.argv[1]), key=lambda d: d.name))
           if d.is_dir() for f in sorted(os.scandir(d), key=lambda f: f.name)]
print(json.dumps({"records": len(samples), "open_ms": 1e3 * (time.perf_counter() - begin)}))
"""


class Tiny:
    """Records of one tiny image under `count` names."""

    def __init__(self, count):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG")
        self.jpeg, self.wnids = file.getvalue(), labels.ilsvrc2012_wnids()
        keys = [f"{self.wnids[number % 1000]}_{number}" for number in range(count)]
        classes = np.array(self.wnids, "S")[np.arange(count) % 1000]
        self.listing = Listing(np.array(keys, "S"), classes, np.full(count, len(self.jpeg)))

    def __len__(self):
        return len(self.listing.keys)

    def __getitem__(self, index):
        return Record(self.listing.keys[index].decode(), self.wnids[index % 1000], self.jpeg)

    def close(self):
        pass


def make(root, count, format):
    """Convert `count` tiny records."""
    records = Tiny(count)
    convert.open_any = lambda *_, **__: Source({"train": records}, None, (), ())
    convert.convert(["tiny"], root, format=format, options=Options(jpeg="original"))


def rounds(program, path):
    command = [sys.executable, "-c", program, str(path)]
    outputs = [subprocess.check_output(command, text=True) for _ in range(ROUNDS)]
    return [json.loads(output) for output in outputs]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_281_167)
    args = parser.parse_args()
    results = {}
    for name, format, count in (
        ("imnet-data", "beton", args.records),
        ("folder walk", "folder", min(args.records, WALKED_RECORDS)),
    ):
        root = args.folder / f"{format}-{count}"
        if not root.exists():
            make(root, count, format)
        path = root if format == "beton" else root / "train"
        results[name] = rounds(OPEN if format == "beton" else WALK, path)
        medians = {k: statistics.median(r[k] for r in results[name]) for k in results[name][0]}
        print(f"{name:12}", *(f"{key} {value:,.1f}" for key, value in medians.items()), sep="  ")
    about = {"machine": platform.platform(), "cores": os.cpu_count(), "python": sys.version}
    print(json.dumps({"benchmark": "open", "results": results, **about}))


if __name__ == "__main__":
    main()
