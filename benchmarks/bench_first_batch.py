"""How soon has a loader over 1,281,167 records its first batch, and does its memory grow?

On the dataset of `bench_open.py`, which is made where it is not there yet. Each measurement is in a
fresh process: five times from before the import to the first training batch (256 images of 224
pixels; the images are tiny: with photographs, add 256 divided by the loader's speed), and once ten
epochs of 32-pixel batches, which take 0.8 MB each, so that next to all memory is what the loader
needs beside them. Resident memory is split: that of the process's own, and that of mapped files,
which the system may take back. The last line is one JSON document.

    python benchmarks/bench_first_batch.py FOLDER [--records 1281167] [--epochs 10]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from bench_open import make, rounds

FIRST = """
import json, sys, time
begin = time.perf_counter()
import numpy as np
import imnet_data as imnet
imported = time.perf_counter()
loader = imnet.open_loader(sys.argv[1], imnet.TrainRecipe(), batch_size=256)
opened = time.perf_counter()
images, labels, indices = next(loader.epoch(0))
first = time.perf_counter()
assert images.shape == (256, 224, 224, 3) and len(set(indices.tolist())) == 256
assert np.array_equal(labels, loader.dataset.labels[indices])
print(json.dumps({"import_ms": 1e3 * (imported - begin), "open_ms": 1e3 * (opened - imported),
    "batch_ms": 1e3 * (first - opened), "all_ms": 1e3 * (first - begin)}))
"""
EPOCHS = """
import json, sys, time
import numpy as np
import imnet_data as imnet
def resident_mb():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {name: int(lines[key].split()[0]) / 1024 for name, key in
            (("own_mb", "RssAnon"), ("files_mb", "RssFile"), ("peak_mb", "VmHWM"))}
before = resident_mb()
print(json.dumps({"epoch": "before", **before}), flush=True)
loader = imnet.open_loader(sys.argv[1], imnet.TrainRecipe(size=32), batch_size=256)
for epoch in range(int(sys.argv[2])):
    begin, seen = time.perf_counter(), np.zeros(len(loader.dataset), bool)
    for images, labels, indices in loader.epoch(epoch):
        seen[indices] = True
    assert seen.sum() == 256 * len(loader), "a record came twice"
    del seen
    seconds = time.perf_counter() - begin
    print(json.dumps({"epoch": epoch + 1, "seconds": seconds, **resident_mb()}), flush=True)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_281_167)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    root = args.folder / f"beton-{args.records}"
    if not root.exists():
        make(root, args.records, "beton")
    first = rounds(FIRST, root)
    for key in first[0]:
        values = [turn[key] for turn in first]
        print(f"first batch  {key} {statistics.median(values):,.0f} (to {max(values):,.0f})")
    command = [sys.executable, "-c", EPOCHS, str(root), str(args.epochs)]
    epochs = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            epochs.append(json.loads(line))
            print(
                "  ".join(
                    f"{key} {value:,.0f}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in epochs[-1].items()
                ),
                flush=True,
            )
    if process.returncode:
        raise SystemExit("an epoch failed")
    about = {"machine": platform.platform(), "cores": os.cpu_count(), "python": sys.version}
    results = {"first_batch": first, "epochs": epochs}
    print(json.dumps({"benchmark": "first_batch", "records": args.records, **results, **about}))


if __name__ == "__main__":
    main()
