"""Images that look natural to a JPEG coder and to a small network, drawn at over 100 per second.

An image is a sky and a ground with 1/f noise over both, and one to three objects whose hue, shape
and stripes belong to the class; places, sizes, light and colours of the rest belong to the image.
Noise of equal strength in each octave has the 1/f amplitude spectrum of photographs (Field,
"Relations between the statistics of natural images ...", JOSA A 4, 1987). It is made once for a
seed, and each image cuts its own windows out of it.

At full size the mean is 4.3 bits a pixel and 110 kB. All arithmetic on pixels is on integers, so
that every machine draws the same.

Measured: 143 images/s at full size, one core of a 2-core x86-64 virtual machine, Pillow 13.0.0.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imnet_data.record import Box
from imnet_data.rng import Stream, hash64
from imnet_data.synth.layout import FIELDS, Picture
from imnet_data.synth.sketch import Draws, sketch_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imnet_data.synth.layout import Slot
    from imnet_data.synth.sketch import Sketch, Style

_FIELD_SIDE = 1024  # pixels; an image is not longer
_HUGE_MAGNIFIED = 8

# (cb, cr) of 12 hues at 30 degrees: 56 cos, 56 sin
_HUES = (
    (56, 0), (48, 28), (28, 48), (0, 56), (-28, 48), (-48, 28),
    (-56, 0), (-48, -28), (-28, -48), (0, -56), (28, -48), (48, -28),
)  # fmt: skip
_STRIPES = ((4, 0), (0, 4), (3, 3), (3, -3))  # direction in quarters of a period


def draw(slot: Slot, *, seed: int, scale: float) -> Picture:
    """Draw an image whose sides are `scale` times those of ImageNet's."""
    plan = sketch_of(slot, seed=seed, scale=scale)
    data = encode(plan, Draws(seed, slot, part=1), seed=seed)
    return Picture(data, plan.width, plan.height, plan.boxes)


def encode(picture: Sketch, draws: Draws, *, seed: int) -> bytes:
    """Draw the image, and return its file: a JPEG, but for the oddities."""
    planes = [Image.fromarray(plane) for plane in _planes(picture, draws, seed)]
    if picture.oddity == "grey":
        return _jpeg(planes[0], picture)
    image = Image.merge("YCbCr", planes)
    if picture.oddity == "huge":
        image = image.resize((picture.width, picture.height), Image.Resampling.BICUBIC)
    if picture.oddity == "png":
        file = io.BytesIO()
        image.convert("RGB").save(file, "PNG")
        return file.getvalue()
    return _jpeg(_cmyk(image) if picture.oddity == "cmyk" else image, picture)


def _jpeg(image: Image.Image, picture: Sketch) -> bytes:
    file = io.BytesIO()
    image.save(
        file,
        "JPEG",
        quality=picture.quality,
        subsampling=picture.sampling,
        optimize=picture.optimised,
        progressive=picture.oddity == "progressive",
        dpi=(72, 72),
        exif=_BROKEN_EXIF if picture.oddity == "broken exif" else b"",
    )
    return file.getvalue()


def _cmyk(image: Image.Image) -> Image.Image:
    """Return an image in CMYK with a black plane; Pillow stores it inverted, as Adobe does."""
    rgb = np.asarray(image.convert("RGB")).astype(np.int32)
    black = (255 - rgb.max(axis=2, keepdims=True)) // 2
    inks = 255 - rgb * 255 // (255 - black)
    return Image.fromarray(np.concatenate([inks, black], axis=2).astype(np.uint8), "CMYK")


# nine entries are promised, one is there: Orientation 6, turned by 90 degrees
_BROKEN_EXIF = (
    b"Exif\0\0II*\0" + struct.pack("<IH", 8, 9) + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
)


def _planes(picture: Sketch, draws: Draws, seed: int) -> list[NDArray[np.uint8]]:
    """Draw Y, Cb and Cr, uint8[h, w] each."""
    width, height, boxes = picture.width, picture.height, picture.boxes
    if picture.oddity == "huge":
        width, height = -(-width // _HUGE_MAGNIFIED), -(-height // _HUGE_MAGNIFIED)
        boxes = tuple(Box(*(side // _HUGE_MAGNIFIED for side in box)) for box in boxes)
    fields = _fields(seed)
    coarse, fine, red, blue = (
        _window(fields[kind], draws, width, height) for kind in ("coarse", "fine", "tint", "tint")
    )
    ground = _ground(red, draws)
    luma = np.where(ground, *_pair(draws, 40, 215))
    luma += coarse * np.int16(draws.between(24, 80)) >> 6
    gain = np.where(ground, *_pair(draws, 0, 34))
    cb = np.where(ground, *_pair(draws, 108, 148)) + (blue >> 3)
    cr = np.where(ground, *_pair(draws, 108, 148)) + (red >> 3)
    for box in boxes:
        window = np.s_[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1]
        inside, stripes = _figure(box, picture.style)
        light, blend = draws.between(80, 180), draws.between(50, 100)
        hue = _HUES[picture.style.hue]
        relief = luma[window] - 128 >> 2
        np.copyto(luma[window], light + stripes + relief, where=inside)
        for plane, tint in zip((cb, cr), hue, strict=True):
            colour = (128 + tint * blend // 100 + (plane[window] - 128 >> 2)).astype(np.int16)
            np.copyto(plane[window], colour, where=inside)
        np.copyto(gain[window], np.int16(draws.between(5, 35)), where=inside)
    luma += fine * gain >> 6
    return [np.clip(plane, 0, 255).astype(np.uint8) for plane in (luma, cb, cr)]


def _pair(draws: Draws, low: int, high: int) -> tuple[np.int16, np.int16]:
    return np.int16(draws.between(low, high)), np.int16(draws.between(low, high))


def _ground(field: NDArray[np.int16], draws: Draws) -> NDArray[np.bool_]:
    """Return what lies below an uneven horizon, bool[h, w]."""
    height, skyline = len(field), field[0]
    horizon = height * draws.between(20, 90) // 100 + skyline.astype(np.int32) * height // 600
    below: NDArray[np.bool_] = np.arange(height)[:, None] > horizon[None, :]
    return below


def _figure(box: Box, style: Style) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    """Return where an object is within its box, bool[h, w], and its stripes, int16[h, w]."""
    x, y = (
        np.arange(-(high - low), high - low + 1, 2, dtype=np.int32) * 256 // max(high - low, 1)
        for low, high in ((box.xmin, box.xmax), (box.ymin, box.ymax))
    )
    x, y = x[None, :], y[:, None]
    radius = x * x + y * y
    inside = (
        radius <= 65536,
        (abs(x) <= 240) & (abs(y) <= 240),
        abs(x) + abs(y) <= 256,
        (radius <= 65536) & (radius >= 14000),
        (abs(x) <= 90) | (abs(y) <= 90),
    )[style.shape]
    along, across = _STRIPES[style.stripes]
    phase = (x * along + y * across) * style.stripe_count >> 2
    wave = abs((phase & 255) - 128) - 64
    return np.broadcast_to(inside, wave.shape), wave.astype(np.int16)


def _window(field: NDArray[np.int16], draws: Draws, width: int, height: int) -> NDArray[np.int16]:
    x, y = draws.between(0, _FIELD_SIDE - 1), draws.between(0, _FIELD_SIDE - 1)
    return field[y : y + height, x : x + width]


@functools.lru_cache(maxsize=1)
def _fields(seed: int) -> dict[str, NDArray[np.int16]]:
    """Make the noise, int16[2 side, 2 side] each, periodic in the side."""
    return {
        "coarse": _noise(seed, 0, first=4, last=64),
        "fine": _noise(seed, 1, first=128, last=_FIELD_SIDE),
        "tint": _noise(seed, 2, first=4, last=32),
    }


def _noise(seed: int, number: int, *, first: int, last: int) -> NDArray[np.int16]:
    """Sum octaves of equal strength, from `first` to `last` lattice points a side."""
    field = np.zeros((first, first), np.int32)
    side = first
    while True:
        if side <= last:
            indices = np.arange(side * side) + side * side  # of each octave its own
            bits = hash64(seed, Stream.SYNTH, FIELDS, indices, draw=number)
            field += (bits >> np.uint64(56)).astype(np.int32).reshape(side, side) - 128
        if side == _FIELD_SIDE:
            return np.tile((field >> 1).astype(np.int16), (2, 2))
        field = _doubled(_doubled(field, axis=0), axis=1)
        side *= 2


def _doubled(field: NDArray[np.int32], *, axis: int) -> NDArray[np.int32]:
    """Interpolate to twice the length by the quadratic B-spline, round the edge."""
    before, after = np.roll(field, 1, axis), np.roll(field, -1, axis)
    shape = list(field.shape)
    shape[axis] *= 2
    return np.stack([3 * field + before >> 2, 3 * field + after >> 2], axis + 1).reshape(shape)
