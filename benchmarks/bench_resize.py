"""How fast is a resize to 224 x 224 on one core, against Pillow's own? Same pixels out of both.

Each rival runs in its own process, pinned to one core; rivals take turns, five rounds, the median
counts, and the pixels are compared after timing. Seconds are the process's CPU time, so that other
work on the machine matters less. Images are noise: a resize does not look at them.
The last line is one JSON document.

    python benchmarks/bench_resize.py [--cpu 0]
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np

SIZES = [(500, 375), (400, 300), (250, 200), (150, 120)]  # of crops, in pixels
SIZE = (224, 224)
ROUNDS = 5
SECONDS = 0.3  # for each measurement


def resizer(rival, pixels, filter):
    """Return a function that resizes `pixels` once."""
    if rival == "pillow":
        from PIL import Image

        image = Image.fromarray(pixels)
        resampling = Image.Resampling[filter.upper()]
        return lambda: image.resize(SIZE, resampling)
    from imnet_data.native import _native
    from imnet_data.transforms import resize

    _native.set_simd(rival)
    out = np.empty((*SIZE, 3), np.uint8)
    return lambda: resize(pixels, SIZE, filter=filter, out=out)


def measure(rival, width, height, filter):
    """Return images per second, and a digest of the pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    run = resizer(rival, pixels, filter)
    run()
    count, start = 0, time.process_time()
    while (passed := time.process_time() - start) < SECONDS:
        run()
        count += 1
    digest = hashlib.sha256(np.asarray(run()).tobytes()).hexdigest()
    return {"images_per_second": count / passed, "sha256": digest}


def in_own_process(cpu, *case):
    """Return what `measure` gives in a new process, pinned to `cpu`."""
    command = [sys.executable, __file__, "--cpu", str(cpu), "--run", *map(str, case)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    """Measure all cases, print a line each and the document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", type=int, default=0, help="the core to run on")
    parser.add_argument("--run", nargs=4, help="one rival, width, height and filter; for itself")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.cpu})
    if options.run:
        rival, width, height, filter = options.run
        print(json.dumps(measure(rival, int(width), int(height), filter)))
        return
    import PIL

    from imnet_data.machine.provenance import processor
    from imnet_data.native import _native

    rivals = ["pillow", *_native.simd_variants()]
    rows = []
    for filter in ("bilinear", "bicubic"):
        for width, height in SIZES:
            rounds = [
                {
                    rival: in_own_process(options.cpu, rival, width, height, filter)
                    for rival in rivals
                }
                for _ in range(ROUNDS)
            ]
            digests = {result["sha256"] for turn in rounds for result in turn.values()}
            if len(digests) != 1:
                raise SystemExit(f"pixels differ: {filter} {width} x {height}")
            speed = {
                rival: statistics.median(turn[rival]["images_per_second"] for turn in rounds)
                for rival in rivals
            }
            rows.append({"filter": filter, "width": width, "height": height, **speed})
            line = ", ".join(
                f"{rival} {value:.0f}/s ({value / speed['pillow']:.1f}x)"
                for rival, value in speed.items()
            )
            print(f"{filter} {width} x {height}: {line}")
    about = {"pillow": PIL.__version__, "machine": platform.machine(), "cpu": processor()}
    print(json.dumps({**about, "images_per_second": rows}))


if __name__ == "__main__":
    main()
