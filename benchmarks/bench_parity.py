"""How far are the pixels of other tools from Pillow's and ours, in grey levels?

Two things are compared on the JPEGs of a folder: the decoded image, and what a model sees in an
evaluation (shorter side to 256, bilinear, the 224 x 224 pixels in the middle, uint8), each tool the
way its own examples do it. Reference are `jpeg.decode` and `pipeline.eval_image`. Of each tool:
the mean and the largest absolute difference of a value (0 to 255), and the share of pixels of which
any of the three values differs. FFCV has no such recipe: its centre crop of 224/256 averages areas.
DALI rounds the longer side and the place of the middle otherwise than torchvision; a second row of
it has torchvision's, so that the resize alone is left.

Each tool runs in its own process; one that cannot be had here says why. Nothing is timed. The last
line is one JSON document.

    python benchmarks/bench_parity.py FOLDER [--tool ffcv] [--tool dali ...]
"""

import argparse
import functools
import importlib.metadata
import io
import json
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from imnet_data import jpeg
from imnet_data.transforms import EvalRecipe, eval_image

RECIPE = EvalRecipe()
LIBRARIES = []  # an operator is gone with its library


class Missing(Exception):
    """A tool cannot be had here; says why."""


def shorter_side(width, height):
    """Return the size after torchvision's Resize."""
    short, long = min(width, height), max(width, height)
    other = RECIPE.resize * long // short
    return (RECIPE.resize, other) if width <= height else (other, RECIPE.resize)


def middle(image):
    """Return what torchvision's CenterCrop takes of an array."""
    top, left = (round((side - RECIPE.crop) / 2) for side in image.shape[:2])
    return image[top : top + RECIPE.crop, left : left + RECIPE.crop]


def by_pillow(data):
    image = Image.open(io.BytesIO(data)).convert("RGB")
    resized = image.resize(shorter_side(*image.size), Image.Resampling.BILINEAR)
    return np.asarray(image), middle(np.asarray(resized))


@functools.cache
def torchvision():
    import torch

    try:
        import torchvision
    except RuntimeError:  # its extension is of another torch; transforms do not need it
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        LIBRARIES.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            LIBRARIES[0].define(
                f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision
    return torchvision


def by_torchvision(data):
    transforms = torchvision().transforms
    image = Image.open(io.BytesIO(data)).convert("RGB")
    both = transforms.Compose(
        [transforms.Resize(RECIPE.resize), transforms.CenterCrop(RECIPE.crop)]
    )
    return np.asarray(image), np.asarray(both(image))


def by_torchvision_tensor(data, antialias=True):
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg
    from torchvision.transforms import v2

    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:
        image = decode_jpeg(encoded, mode=ImageReadMode.RGB)
    except RuntimeError as error:
        raise Missing(str(error).partition("\n")[0]) from error
    both = v2.Compose([v2.Resize(RECIPE.resize, antialias=antialias), v2.CenterCrop(RECIPE.crop)])
    return tuple(pixels.permute(1, 2, 0).numpy() for pixels in (image, both(image)))


def by_opencv(data, name):
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), flags), cv2.COLOR_BGR2RGB)
    size = shorter_side(image.shape[1], image.shape[0])
    return image, middle(cv2.resize(image, size, interpolation=getattr(cv2, name)))


def need_gpu():
    import torch

    if not torch.cuda.is_available():
        raise Missing("there is no CUDA device")


@functools.cache
def dali_pipeline(device, is_aligned):
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(
        batch_size=1,
        num_threads=1,
        device_id=0 if device == "gpu" else None,
        prefetch_queue_depth=1,  # no image is asked for before it was fed
        exec_async=False,
        exec_pipelined=False,
    )
    def pipeline():
        images = fn.decoders.image(
            fn.external_source(name="encoded", dtype=types.UINT8, ndim=1),
            device="mixed" if device == "gpu" else "cpu",
            output_type=types.RGB,
            adjust_orientation=False,
        )
        options = {"interp_type": types.INTERP_LINEAR, "antialias": True}
        if is_aligned:
            size = fn.external_source(name="size", dtype=types.FLOAT, ndim=1)
            return images, fn.resize(images, size=size, **options)
        resized = fn.resize(images, size=RECIPE.resize, mode="not_smaller", **options)
        return images, fn.crop(resized, crop=(RECIPE.crop, RECIPE.crop))

    built = pipeline()
    built.build()
    return built


def by_dali(data, device="cpu", is_aligned=False):
    if device == "gpu":
        need_gpu()
    pipeline = dali_pipeline(device, is_aligned)
    pipeline.feed_input("encoded", [np.frombuffer(data, np.uint8)])
    if is_aligned:
        with Image.open(io.BytesIO(data)) as opened:
            pipeline.feed_input("size", [np.float32(shorter_side(*opened.size)[::-1])])
    image, square = (np.asarray(output.as_cpu().at(0)) for output in pipeline.run())
    return image, middle(square)


def by_ffcv(data):
    from ffcv.fields.rgb_image import get_center_crop
    from ffcv.libffcv import imdecode, resize_crop

    with Image.open(io.BytesIO(data)) as opened:
        width, height = opened.size
    image = np.empty((height, width, 3), np.uint8)
    imdecode(np.frombuffer(data, np.uint8), image, height, width, height, width)
    square = np.empty((RECIPE.crop, RECIPE.crop, 3), np.uint8)
    top, left, rows, columns = get_center_crop(height, width, None, RECIPE.crop / RECIPE.resize)
    resize_crop(image, top, top + rows, left, left + columns, square)
    return image, square


TOOLS = {
    "pillow": (by_pillow, "pillow"),
    "torchvision, PIL images": (by_torchvision, "torchvision"),
    "torchvision, tensors": (by_torchvision_tensor, "torchvision"),
    "torchvision, tensors, antialias=False": (
        functools.partial(by_torchvision_tensor, antialias=False),
        "torchvision",
    ),
    "opencv, INTER_LINEAR": (
        functools.partial(by_opencv, name="INTER_LINEAR"),
        "opencv-python-headless",
    ),
    "opencv, INTER_AREA": (
        functools.partial(by_opencv, name="INTER_AREA"),
        "opencv-python-headless",
    ),
    "dali": (by_dali, "nvidia-dali-cuda130"),
    "dali, torchvision's size and window": (
        functools.partial(by_dali, is_aligned=True),
        "nvidia-dali-cuda130",
    ),
    "ffcv": (by_ffcv, "ffcv"),
    "dali on a GPU (nvJPEG), torchvision's size and window": (
        functools.partial(by_dali, device="gpu", is_aligned=True),
        "nvidia-dali-cuda130",
    ),
}


class Difference:
    """Of two images, over all of a folder."""

    def __init__(self):
        self.values = self.total = self.largest = self.pixels = self.differing = 0

    def add(self, ours, theirs):
        if ours.shape != theirs.shape:
            raise SystemExit(f"{theirs.shape} for {ours.shape}")
        levels = np.abs(ours.astype(np.int16) - theirs)
        self.values, self.total = self.values + levels.size, self.total + int(levels.sum())
        self.largest = max(self.largest, int(levels.max()))
        self.pixels += levels[..., 0].size
        self.differing += int(levels.any(axis=2).sum())

    def figures(self):
        return {
            "mean": self.total / self.values,
            "max": self.largest,
            "differing": self.differing / self.pixels,
        }


def measure(tool, folder):
    """Return the differences of a tool, or why there are none."""
    warnings.simplefilter("ignore")
    function, package = TOOLS[tool]
    decoded, seen = Difference(), Difference()
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpeg", ".jpg"})
    try:
        if package == "torchvision":
            torchvision()
        for path in paths:
            data = path.read_bytes()
            ours = jpeg.decode(data, other="pillow")
            image, square = function(data)
            decoded.add(ours, image)
            seen.add(eval_image(ours, RECIPE), square)
    except (Missing, ImportError) as error:
        return {"missing": str(error)}
    return {
        "version": importlib.metadata.version(package),
        "images": len(paths),
        "decode": decoded.figures(),
        "evaluation": seen.figures(),
    }


def row(tool, result):
    if "missing" in result:
        return f"| {tool} | not measured: {result['missing']} |" + " |" * 5
    cells = [
        f"{part['mean']:.3f} | {part['max']} | {100 * part['differing']:.1f} %"
        for part in (result["decode"], result["evaluation"])
    ]
    return f"| {tool} {result['version']} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tool", action="append", choices=TOOLS, help="of these alone")
    parser.add_argument("--run", choices=TOOLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options.run, options.folder)))
        return
    results = {}
    print("| | decode: mean | max | differ | evaluation: mean | max | differ |")
    print("| --- " * 7 + "|")
    for tool in options.tool or TOOLS:
        command = [sys.executable, __file__, options.folder, "--run", tool]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results[tool] = json.loads(done.stdout.splitlines()[-1])
        print(row(tool, results[tool]), flush=True)
    about = {"machine": platform.platform(), "python": platform.python_version()}
    print(json.dumps({"benchmark": "parity", "results": results, **about}))


if __name__ == "__main__":
    main()
