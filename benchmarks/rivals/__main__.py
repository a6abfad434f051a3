"""Measures one rival in this process: `python -m rivals NAME INPUTS --cores 1`.

One epoch to warm up, whole epochs for at least two seconds, then one epoch whose result is checked.
The last line is one JSON document.
"""

import argparse
import hashlib
import importlib
import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path

SECONDS = 2.0  # at least, for the measurement
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of rivals that only give normalised


def cpu_seconds():
    """Return CPU seconds of this process and of its living children, the workers."""
    total = time.process_time()
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def probe(epoch):
    """Refuse an epoch without images: of some libraries that is how a missing one shows."""
    images = sum(len(labels) for _, labels in epoch(0))
    if not images:
        raise SystemExit("an epoch has no images")
    return {"images": images}


def measure(epoch):
    """Return images a second and a CPU second, and how many images an epoch had."""
    probe(epoch)
    counts, start, cpu_start = [], time.perf_counter(), cpu_seconds()
    while time.perf_counter() - start < SECONDS:
        counts.append(sum(len(labels) for _, labels in epoch(len(counts) + 1)))
        if not counts[-1]:
            raise SystemExit("an epoch has no images")
    return {
        "images_per_second": sum(counts) / (time.perf_counter() - start),
        "images_per_cpu_second": sum(counts) / (cpu_seconds() - cpu_start),
        "images_an_epoch": sorted(set(counts)),
    }


def uint8_pixels(images):
    """Return uint8[n, height, width, 3] of what a rival calls images."""
    import numpy as np

    if hasattr(images, "as_cpu"):  # DALI, on a GPU
        images = images.as_cpu().as_array()
    images = np.asarray(images)
    if images.shape[1] == 3:
        images = images.transpose(0, 2, 3, 1)
    if images.dtype == np.float32:
        images = np.rint((images * np.float32(STD) + np.float32(MEAN)) * 255).astype(np.uint8)
    return images


def check(batches):
    """Return what can be said about the result of an epoch; whole images have labels only."""
    import numpy as np

    labels, shapes, sums, means, digest = Counter(), set(), [], [], hashlib.sha256()
    for images, batch_labels in batches:
        labels.update(np.asarray(batch_labels).reshape(-1).tolist())
        if not isinstance(images, list):
            pixels = uint8_pixels(images)
            shapes.add((str(pixels.dtype), *pixels.shape[1:]))
            sums.append(pixels.sum(axis=(0, 1, 2), dtype=np.int64))
            means += pixels.mean(axis=(1, 2)).tolist()
            digest.update(np.ascontiguousarray(pixels))
    pixel_count = labels.total() * 224 * 224
    return {
        "labels": sorted(labels.items()),
        "shapes": sorted(shapes),
        "mean": (np.sum(sums, axis=0) / pixel_count).tolist() if sums else None,
        "deviation": np.std(means, axis=0).tolist() if means else None,  # of an image's mean
        "sha256": digest.hexdigest(),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rival")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument(
        "--prepare", action="store_true", help="write the input, if it is not there"
    )
    parser.add_argument("--probe", action="store_true", help="make one epoch, and time nothing")
    options = parser.parse_args()
    rival = importlib.import_module(f"rivals.{options.rival}")
    root = options.inputs / rival.reads
    if options.prepare:
        part = root.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        rival.prepare(options.inputs / "folder" / "train", part)
        part.rename(root)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.cores :])
    epoch = rival.batches(root, options.cores)
    if options.probe:
        print(json.dumps(probe(epoch)))
        return
    result = measure(epoch)
    print(json.dumps({**result, **check(epoch(0))}))


if __name__ == "__main__":
    main()
