"""The inputs that `imnet_data.convert` makes: 768 records in each format that a rival reads."""

import hashlib
import sys
import tempfile
from pathlib import Path

from PIL import Image

from imnet_data import Options, convert
from imnet_data.synth import synth_from_folder

CLASSES, IMAGES_PER_CLASS = 256, 3  # 12 batches of 64
SHARD_NBYTES = 4 << 20  # so small that any number of workers has equal shares, but for beton
OUR_FORMATS = {  # folder of the input: format, how JPEGs are stored
    "folder": ("folder", "original"),
    "webdataset": ("webdataset", "original"),
    "seekable": ("webdataset", "seekable"),
    "packed": ("webdataset", "packed"),
    "beton": ("beton", "original"),
}

LEAST_SIDE = 32  # pixels; FFmpeg's filters take no crop of a pixel or two
# how many samples of Y, Cb and Cr there are, across and down; FFmpeg knows few others
SAMPLINGS = {((x, y), (1, 1), (1, 1)) for x in (1, 2) for y in (1, 2)}


def is_taken(path):
    """Return whether every rival can decode a file: a JPEG of three colours, sampled as usual."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    if image.format != "JPEG" or image.mode != "RGB" or min(image.size) < LEAST_SIDE:
        return False
    return tuple(component[1:3] for component in image.layer) in SAMPLINGS


def photographs(folder):
    """Return the files below a folder that every rival can decode.

    How many others are left out is printed.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [path for path in paths if is_taken(path)]
    left_out = len(paths) - len(found)
    if left_out:
        text = f"{left_out} of {len(paths)} files are no JPEGs in RGB that all can decode"
        print(text, file=sys.stderr)
    if not found:
        raise SystemExit(f"{folder}: has no JPEG in RGB that all can decode; name another folder")
    return found


def make_inputs(images, work):
    """Return the folder of the inputs that the converter makes, and expected images a label."""
    taken = photographs(images)
    listing = [f"{path.name} {path.stat().st_size}" for path in taken]
    listing.append(f"{CLASSES} {IMAGES_PER_CLASS} {SHARD_NBYTES}")
    name = hashlib.sha256("\n".join(listing).encode()).hexdigest()[:12]
    inputs = work.absolute() / "inputs" / name
    missing = [each for each in OUR_FORMATS if not (inputs / each / "dataset.json").exists()]
    if missing:
        inputs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=inputs) as folder:
            tarballs, shelf = Path(folder) / "tarballs", Path(folder) / "photographs"
            shelf.mkdir()
            for number, path in enumerate(taken):  # of several folders; no name says a class
                (shelf / f"{number:06}.jpg").symlink_to(path.absolute())
            synth_from_folder(
                tarballs,
                shelf,
                seed=0,
                class_count=CLASSES,
                images_per_class=IMAGES_PER_CLASS,
                val_per_class=1,
                test_count=1,
            )
            for each in missing:
                format_name, jpeg = OUR_FORMATS[each]
                options = Options(
                    classes=("found",),
                    jpeg=jpeg,
                    shard_nbytes=None if format_name == "beton" else SHARD_NBYTES,
                )
                convert(
                    tarballs,
                    inputs / each,
                    format=format_name,
                    split="train",
                    options=options,
                    force=True,
                )
    wnids = sorted(path for path in (inputs / "folder" / "train").iterdir() if path.is_dir())
    return inputs, [[label, len(list(wnid.iterdir()))] for label, wnid in enumerate(wnids)]
