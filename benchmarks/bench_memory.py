"""Does the memory of a conversion grow with the dataset? Peak of each process, for each format.

Makes synthetic tarballs of 2,000 and of 20,000 small images, converts both to every format in a
process of its own, and prints the peak resident memory of the command and of its largest worker.
The last line is one JSON document.

    python benchmarks/bench_memory.py FOLDER
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from imnet_data.formats import FORMATS
from imnet_data.synth import synth

CONVERT = """
import json, resource, sys
from imnet_data import convert
about = convert([sys.argv[1]], sys.argv[2], format=sys.argv[3], force=True)
# not ru_maxrss, which a process inherits from the one that started it
own = int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"records": sum(split.record_count for split in about.splits.values()),
    "command_mb": own / 1024, "worker_mb": workers / 1024}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    results = []
    for images_per_class in (20, 200):
        tarballs = args.folder / f"tarballs-{images_per_class}"
        if not tarballs.exists():
            synth(
                tarballs,
                class_count=100,
                images_per_class=images_per_class,
                val_per_class=1,
                test_count=10,
                mean_nbytes=3000,
            )
        for name in FORMATS:
            out = args.folder / "dataset"
            command = [sys.executable, "-c", CONVERT, str(tarballs), str(out), name]
            result = json.loads(subprocess.check_output(command, text=True))
            shutil.rmtree(out)
            results.append({"format": name, **result})
            print(f"{name:10}  {result['records']:6,} records", end="  ")
            print(f"command {result['command_mb']:.0f} MB  worker {result['worker_mb']:.0f} MB")
    print(json.dumps({"benchmark": "memory", "results": results, "machine": platform.platform()}))


if __name__ == "__main__":
    main()
