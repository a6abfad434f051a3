"""How many training images a second does the CPU loader make, on one core and on more?

224 x 224 pixels, RandomResizedCrop and flip, uint8, from the JPEGs of a folder. The ceiling of
every loader that decodes whole images is the bare decode by libjpeg-turbo ("simplejpeg"); "pillow"
does what a torchvision DataLoader does in its worker, without the process around it. "original"
and "seekable" are this loader on the same files as they are and with restart markers.

Each rival runs in its own process, pinned to as many cores as are asked for; rivals take turns,
five rounds, the median counts. Where other work runs beside it, CPU seconds tell more. After
timing, the pixels of one epoch are compared: "pillow", "original" and "seekable" must agree to the
last bit. The last line is one JSON document.

    python benchmarks/bench_loader.py FOLDER [--threads 1] [--rounds 5]
"""

import argparse
import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from imnet_data.errors import NotSeekable
from imnet_data.jpeg import seekable
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import Extents
from imnet_data.pipeline import TrainRecipe, train_boxes

RIVALS = ["simplejpeg", "pillow", "original", "seekable"]
RECIPE = TrainRecipe()
BATCH_SIZE = 64
SECONDS = 2.0  # at least, for each measurement


def read(folder):
    """Return the JPEGs of a folder, with their sizes in pixels."""
    paths = sorted(
        path for path in Path(folder).rglob("*") if path.suffix.lower() in {".jpeg", ".jpg"}
    )
    jpegs = [path.read_bytes() for path in paths]
    return jpegs, np.array([Image.open(io.BytesIO(jpeg)).size for jpeg in jpegs])


def with_markers(jpeg):
    """Return the seekable form, or the file as it is where there is none."""
    try:
        return seekable(jpeg)
    except NotSeekable:
        return jpeg


def decode_whole(jpegs):
    """Yield nothing of use: the bare decode."""
    import simplejpeg

    for jpeg in jpegs:
        yield simplejpeg.decode_jpeg(jpeg)


def by_pillow(jpegs, sizes, epoch):
    """Yield the images of an epoch in stored order, by Pillow alone."""
    indices = np.arange(len(jpegs))
    boxes, flips = train_boxes(*sizes.T, indices, recipe=RECIPE, seed=0, epoch=epoch)
    size = (RECIPE.size, RECIPE.size)
    for jpeg, box, flip in zip(jpegs, boxes.tolist(), flips, strict=True):
        image = Image.open(io.BytesIO(jpeg)).convert("RGB").crop(box)
        image = image.resize(size, Image.Resampling.BILINEAR)
        if flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        yield np.asarray(image)


def loader_of(jpegs, sizes, path, threads):
    """Return a loader on a file that holds the JPEGs."""
    path.write_bytes(b"".join(jpegs))
    nbytes = np.array([len(jpeg) for jpeg in jpegs])
    zeros = np.zeros(len(jpegs), np.int32)
    keys = np.arange(len(jpegs)).astype("S8")
    source = Extents(
        shard_paths=[path],
        shard=zeros,
        offset=np.cumsum(nbytes) - nbytes,
        nbytes=nbytes,
        key=keys,
        label=zeros,
        width=sizes[:, 0],
        height=sizes[:, 1],
        pixels=zeros.astype(bool),
    )
    order = Schedule(count=len(jpegs), batch_size=BATCH_SIZE, order="sequential", last="ragged")
    return CpuLoader(source, RECIPE, order, threads=threads)


def measure(rival, folder, threads):
    """Return images a second, and a digest of the pixels of epoch 0."""
    jpegs, sizes = read(folder)
    if rival == "simplejpeg":
        return speed(len(jpegs), lambda _: decode_whole(jpegs))
    if rival == "pillow":
        run = lambda epoch: by_pillow(jpegs, sizes, epoch)  # noqa: E731
        return {**speed(len(jpegs), run), "sha256": digest(run(0))}
    if rival == "seekable":
        jpegs = [with_markers(jpeg) for jpeg in jpegs]
    with (
        tempfile.TemporaryDirectory() as folder,
        loader_of(jpegs, sizes, Path(folder) / "images", threads) as loader,
    ):
        result = speed(len(jpegs), loader.epoch)
        images = (image for batch in loader.epoch(0) for image in batch.images)
        return {**result, "sha256": digest(images)}


def speed(count, run):
    """Return images a second of whole epochs, the first one not counted, and a CPU second."""
    for _ in run(0):
        pass
    epochs, start, cpu_start = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < SECONDS:
        epochs += 1
        for _ in run(epochs):
            pass
    return {
        "images_per_second": count * epochs / (time.perf_counter() - start),
        "images_per_cpu_second": count * epochs / (time.process_time() - cpu_start),
    }


def digest(images):
    """Return the SHA-256 of all pixels."""
    state = hashlib.sha256()
    for image in images:
        state.update(np.ascontiguousarray(image))
    return state.hexdigest()


def in_own_process(rival, options):
    """Return what `measure` gives in a new process; only the loader has more than one thread."""
    command = [sys.executable, __file__, options.folder, "--run", rival]
    command += ["--threads", str(options.threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    """Measure all rivals, print a line each and the document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="where the JPEGs are")
    parser.add_argument("--threads", type=int, default=1, help="of the loader, and cores")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--run", choices=RIVALS, help="one rival; for itself")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads :])
    if options.run:
        print(json.dumps(measure(options.run, options.folder, options.threads)))
        return
    rounds = [
        {rival: in_own_process(rival, options) for rival in RIVALS} for _ in range(options.rounds)
    ]
    digests = {
        result["sha256"] for turn in rounds for result in turn.values() if "sha256" in result
    }
    if len(digests) != 1:
        raise SystemExit("pixels differ")
    document = {"threads": options.threads}
    for unit in ("images_per_second", "images_per_cpu_second"):
        speeds = {
            rival: statistics.median(turn[rival][unit] for turn in rounds) for rival in RIVALS
        }
        for rival, value in speeds.items():
            share = value / speeds["simplejpeg"]
            print(f"{rival}: {value:.0f} {unit}, {share:.2f} times the bare decode on one core")
        document[unit] = speeds
    print(json.dumps(document))


if __name__ == "__main__":
    main()
