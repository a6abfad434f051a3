"""How many images per second does the decoder make, against a bare full decode by libjpeg-turbo?

"simplejpeg" is libjpeg-turbo without anything around it, "pillow" what torchvision reads with:
both decode whole images. "full" is this decoder on whole images, "boxes-original" and
"boxes-seekable" on the boxes of RandomResizedCrop, from the files as they are and from the same
with restart markers; "seekable" makes the latter, "crop" cuts the boxes out of their bytes, and
"examine" reads all of the data of either kind without making pixels. "boxes-packed" is the decoder
on the packed form, which "pack" makes, and "unpack" restores the published file from.

Images and boxes are those of `imnet-data bench DATASET`: the first batches of epoch 0 (without
those that cannot have restart markers). Its decode and cut rows, in images/s a core, are
"boxes-seekable" and "crop" here, where the dataset is seekable.

Each rival runs in its own process, pinned to one core; rivals take turns, five rounds, medians
count. CPU seconds, not wall-clock time: other work on the machine takes less away from them. After
timing, pixels are compared with Pillow's. The last line is one JSON document.

    python benchmarks/bench_decode.py DATASET [--rounds 5] [--core 1] [--target-width 128]
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from imnet_data import jpeg
from imnet_data.bench.reading import hashes_of
from imnet_data.bench.sample import Sample, work_of
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import NotSeekable
from imnet_data.machine.provenance import processor

PASSES = 3  # over all images in one round, after one that is not timed
RIVALS = [
    *("simplejpeg", "pillow", "full", "boxes-original", "boxes-seekable", "seekable", "crop"),
    *("boxes-packed", "pack", "unpack", "examine", "examine-seekable"),
]


def pillow_pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def images_of(root, target_width):
    """The JPEGs as they were published, the same with restart markers, and their boxes."""
    files, made, boxes = [], [], []
    with Dataset.open(root) as dataset:
        work = work_of(dataset, batch_size=min(64, len(dataset)), size=224)
        sample = Sample(dataset, work, hashes_of(dataset, work))
        for position, index in enumerate(sample.indices.tolist()):
            data = dataset[index].jpeg
            try:
                made.append(jpeg.seekable(data, target_width=target_width))
            except NotSeekable:
                continue
            files.append(data)
            boxes.append(sample.box(position))
    return files, made, boxes


def rival(name, files, made, boxes, target_width) -> tuple[list[tuple], Callable, Callable]:
    """Arguments of each call, the call, and a check of its result: (index, result) -> bool."""

    def is_whole(index, pixels):
        return np.array_equal(pixels, pillow_pixels(files[index]))

    def is_box(index, pixels):
        left, upper, right, lower = boxes[index]
        return np.array_equal(pixels, pillow_pixels(files[index])[upper:lower, left:right])

    def is_cut(index, result):
        left, upper, right, lower = result[1]
        return is_box(index, pillow_pixels(result[0])[upper:lower, left:right])

    def is_seekable(index, result):
        return jpeg.restore(result) == files[index]

    def is_plain(index, found):
        return found.verdict is jpeg.Verdict.PLAIN

    def is_packed(index, result):
        return jpeg.unpack(result) == files[index]

    def is_published(index, result):
        return result == files[index]

    whole, boxed = [(data,) for data in files], list(zip(made, boxes, strict=True))
    if name == "simplejpeg":
        from simplejpeg import decode_jpeg

        return whole, decode_jpeg, is_whole
    return {
        "pillow": (whole, pillow_pixels, is_whole),
        "full": (whole, jpeg.decode, is_whole),
        "boxes-original": (list(zip(files, boxes, strict=True)), jpeg.decode, is_box),
        "boxes-seekable": (boxed, jpeg.decode, is_box),
        "seekable": (
            whole,
            lambda data: jpeg.seekable(data, target_width=target_width),
            is_seekable,
        ),
        "boxes-packed": (list(zip(map(jpeg.pack, files), boxes, strict=True)), jpeg.decode, is_box),
        "pack": (whole, jpeg.pack, is_packed),
        "unpack": ([(jpeg.pack(data),) for data in files], jpeg.unpack, is_published),
        "crop": (boxed, jpeg.crop, is_cut),
        "examine": (whole, jpeg.examine, is_plain),
        "examine-seekable": ([(data,) for data in made], jpeg.examine, is_plain),
    }[name]


def run(name, root, target_width):
    calls, function, is_right = rival(name, *images_of(root, target_width), target_width)
    passes = []
    for _ in range(1 + PASSES):
        begin = time.process_time()
        for arguments in calls:
            function(*arguments)
        passes.append(time.process_time() - begin)
    for index in range(0, len(calls), 7):
        if not is_right(index, function(*calls[index])):
            raise SystemExit(f"{name}: image {index} differs")
    print(len(calls) / statistics.median(passes[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=os.cpu_count() - 1)
    parser.add_argument("--target-width", type=int, default=128)
    parser.add_argument("--run", choices=RIVALS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        os.sched_setaffinity(0, {options.core})
        run(options.run, options.dataset, options.target_width)
        return
    speeds = {name: [] for name in RIVALS}
    for _ in range(options.rounds):
        for name in RIVALS:
            command = [sys.executable, __file__, *sys.argv[1:], "--run", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            speeds[name].append(float(done.stdout))
    bare = statistics.median(speeds["simplejpeg"])
    for name, values in speeds.items():
        middle = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{name:15} {middle:7.0f} images/s ({spread})  {middle / bare:5.2f} x simplejpeg")
    print(
        json.dumps(
            {
                "images_per_second": speeds,
                "machine": processor(),
                "python": platform.python_version(),
            }
        )
    )


if __name__ == "__main__":
    main()
