"""How many images per second become DINO's ten views on one core, and how many with Pillow?

Two views of 224 and eight of 96 pixels from each image, bicubic, as `published.dino()` has them:

    dino     decode, crops and resizes by Pillow and torchvision's transforms, jitter, greyscale,
             blur, solarise, tensors: what DINO's data loader does, written anew
    crops    its decode, crops, resizes and flips alone
    views    `CpuLoader.views`: the same as uint8 views; colours and numbers are left to the device
    tensors  `TorchLoader` with the device "cpu": all that `dino` does

On a GPU's machine, cores do what "dino" does, or what "views" does. Each rival runs in its own
process, pinned to one core, with one thread; rivals take turns, medians of rounds count. CPU
seconds, not wall-clock time: other work on the machine takes less away from them. After timing,
views are compared with Pillow's for the same boxes. The last line is one JSON document.

    python benchmarks/bench_views.py DATASET [--images 128] [--rounds 3] [--core 1]
"""

import argparse
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from rivals.torchvision import import_torchvision

import imnet_data as imnet
from imnet_data.loaders import geometry
from imnet_data.machine.provenance import processor
from imnet_data.transforms import published

RIVALS = ["dino", "crops", "views", "tensors"]
BATCH_SIZE = 32
RECIPE = published.dino()


def stored(root: str, count: int) -> list[bytes]:
    """The JPEGs of the first records, which are read from memory, not from storage."""
    with imnet.Dataset.open(root, "train") as dataset:
        return [bytes(dataset.stored(index)) for index in range(min(count, len(dataset)))]


def pillow(jpegs: list[bytes], *, colors: bool) -> Callable[[], None]:
    """One pass of Pillow and torchvision over all images."""
    import torch

    transforms = import_torchvision().transforms
    bicubic = transforms.InterpolationMode.BICUBIC
    torch.set_num_threads(1)

    def blur(probability: float):
        def maybe(image: Image.Image) -> Image.Image:
            if random.random() > probability:
                return image
            return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(0.1, 2.0)))

        return maybe

    def solarize(probability: float):
        return lambda image: ImageOps.solarize(image) if random.random() < probability else image

    def view(size: int, scale: tuple[float, float], blurred: float, solarized: float):
        steps = [
            transforms.RandomResizedCrop(size, scale=scale, interpolation=bicubic),
            transforms.RandomHorizontalFlip(),
        ]
        if not colors:
            return transforms.Compose([*steps, np.asarray])
        jitter = transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)
        return transforms.Compose(
            [
                *steps,
                transforms.RandomApply([jitter], p=0.8),
                transforms.RandomGrayscale(p=0.2),
                blur(blurred),
                solarize(solarized),
                transforms.ToTensor(),
                transforms.Normalize(RECIPE.mean, RECIPE.std),
            ]
        )

    views = [view(224, (0.4, 1.0), 1.0, 0.0), view(224, (0.4, 1.0), 0.1, 0.2)]
    views += [view(96, (0.05, 0.4), 0.5, 0.0)] * 8

    def run() -> None:
        for jpeg in jpegs:
            image = Image.open(io.BytesIO(jpeg)).convert("RGB")
            assert len([make(image) for make in views]) == 10

    return run


class Memory:
    """A source of the first records, without their storage."""

    def __init__(self, root: str, jpegs: list[bytes]) -> None:
        with imnet.Dataset.open(root, "train") as dataset:
            index = dataset.index
            columns = (index.key, index.label, index.width, index.height)
            self.key, self.label, self.width, self.height = (
                np.array(column[: len(jpegs)]) for column in columns
            )
        self.pixels = np.zeros(len(jpegs), bool)
        self.read = jpegs.__getitem__


def ours(root: str, jpegs: list[bytes], *, tensors: bool) -> Callable[[], None]:
    """One pass of a loader over all images; other views each time."""
    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.schedule import Schedule

    schedule = Schedule(count=len(jpegs), batch_size=min(BATCH_SIZE, len(jpegs)), last="ragged")
    loader = CpuLoader(Memory(root, jpegs), RECIPE, schedule, threads=1)
    epochs = iter(range(1 << 20))
    if not tensors:
        return lambda: [None for _ in loader.views(next(epochs))] and None
    import torch

    from imnet_data.loaders.torch import TorchLoader

    torch.set_num_threads(1)
    made = TorchLoader(loader)
    return lambda: [None for _ in made.views(next(epochs))] and None


def require_pillows_pixels(root: str, jpegs: list[bytes]) -> int:
    """Compare all views of one epoch with Pillow's for the same boxes; give how many there were."""
    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.schedule import Schedule

    source = Memory(root, jpegs)
    schedule = Schedule(count=len(jpegs), batch_size=len(jpegs), order="sequential")
    with CpuLoader(source, RECIPE, schedule, threads=1) as loader:
        (batch,) = loader.views(0)
    indices = np.arange(len(jpegs))
    rows = geometry.view_rows(indices, source, recipe=RECIPE, seed=0, epoch=0, keys=indices)
    compared = 0
    for position, jpeg in enumerate(jpegs):
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        for view, row in zip(batch.views, rows[position], strict=True):
            side = view.shape[1]
            box = tuple(row[geometry.CROP].tolist())
            expected = image.crop(box).resize((side, side), Image.Resampling.BICUBIC)
            if row[geometry.FLIP]:
                expected = ImageOps.mirror(expected)
            assert np.array_equal(view[position], np.asarray(expected)), (position, box)
            compared += 1
    return compared


def measured(name: str, root: str, count: int) -> float:
    """Images per CPU second of one pass, after one of a few images that is not timed."""
    jpegs = stored(root, count)
    makes = {
        "dino": lambda some: pillow(some, colors=True),
        "crops": lambda some: pillow(some, colors=False),
        "views": lambda some: ours(root, some, tensors=False),
        "tensors": lambda some: ours(root, some, tensors=True),
    }[name]
    makes(jpegs[:BATCH_SIZE])()
    run = makes(jpegs)
    started = time.process_time()
    run()
    return len(jpegs) / (time.process_time() - started)


def main() -> None:
    """Measure all rivals in turn, or one in this process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset")
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--rival", choices=RIVALS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rival:
        os.sched_setaffinity(0, {options.core})
        print(measured(options.rival, options.dataset, options.images))
        return
    speeds: dict[str, list[float]] = {name: [] for name in RIVALS}
    for _ in range(options.rounds):
        for name, found in speeds.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--rival", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(float(done.stdout.splitlines()[-1]))
    compared = require_pillows_pixels(options.dataset, stored(options.dataset, options.images))
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    print(f"{compared:,} views compared with Pillow's: all equal")
    print("| | images per CPU second | of dino |\n| --- | --- | --- |")
    for name, median in medians.items():
        spread = f"{min(speeds[name]):,.1f} to {max(speeds[name]):,.1f}"
        print(f"| {name} | {median:,.1f} ({spread}) | {median / medians['dino']:.2f} |")
    about = {"processor": processor(), "python": platform.python_version(), "views": compared}
    print(json.dumps({"speeds": speeds, "medians": medians, **about}))


if __name__ == "__main__":
    main()
