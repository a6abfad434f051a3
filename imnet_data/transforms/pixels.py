"""Pixels to pixels (resize) and pixels to numbers (normalize), by the native core.

`resize` gives what Pillow 13's `Image.resize` gives, to the last bit. Pillow resizes columns before
rows where the height shrinks by more than twice as many pixels as the width; versions before 13.0
did so never, and differ there by a level in some pixels.

`normalize` gives what torchvision's ToTensor and Normalize give, to the last bit: a channel has 256
values, so their float32 arithmetic is done 256 times a channel, and a table does the rest.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imnet_data.native import _native

Filter = Literal["bilinear", "bicubic"]
FILTERS = ("bilinear", "bicubic")


def resize(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    *,
    box: tuple[float, float, float, float] | None = None,
    window: tuple[int, int, int, int] | None = None,
    filter: Filter = "bilinear",
    flip: bool = False,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Return `box` of the image resized to `size`, uint8[height, width, 3] (or [height, width]).

    Args:
        image: uint8[h, w, 3] or uint8[h, w].
        size: width and height in pixels, as Pillow has them.
        box: left, upper, right, lower in pixels of the image, the whole of it if None; pixels
            around the box count at its edges, as with Pillow's `box`.
        window: left, upper, right, lower in pixels of the result: only this part of it is made.
        filter: "bilinear" or "bicubic", both antialiased.
        flip: mirror the result (the window, where there is one) left to right.
        out: an array of the result's shape to write to, with contiguous rows.
    """
    if filter not in FILTERS:
        raise ValueError(f"filter is {filter!r}; allowed are {', '.join(FILTERS)}")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"image is {image.dtype}{list(image.shape)}; allowed are uint8[height, width, 3] "
            "and uint8[height, width], not empty"
        )
    planes = image if image.ndim == 3 else image[:, :, np.newaxis]
    height, width, channels = planes.shape
    left, upper, right, lower = window or (0, 0, *size)
    shape = (lower - upper, right - left, channels)[: image.ndim]
    if out is None:
        if min(shape) < 1:
            raise ValueError(f"window {window} of a result of {size} is empty")
        out = np.empty(shape, np.uint8)
    elif out.shape != shape or out.dtype != np.uint8:
        raise ValueError(f"out is {out.dtype}{list(out.shape)}; expected uint8{list(shape)}")
    if not planes[0].flags.c_contiguous or planes.strides[0] < width * channels:
        planes = np.ascontiguousarray(planes)
    _native.resize(
        planes,
        out if out.ndim == 3 else out[:, :, np.newaxis],
        size,
        box or (0, 0, width, height),
        (left, upper, right, lower),
        filter == "bicubic",
        bool(flip),
    )
    return out


def normalize(
    images: NDArray[np.uint8],
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    out: NDArray[np.uint8] | None = None,
) -> NDArray[Any]:
    """Return (images / 255 - mean) / std, float[n, 3, h, w] or [n, h, w, 3].

    Computed in float32 and then rounded to `dtype`, half to even. NumPy has no bfloat16: its bits
    come as uint16 (`torch.from_numpy(bits).view(torch.bfloat16)`).

    Args:
        images: uint8[n, h, w, 3].
        mean: of each channel, where 255 is 1.
        std: of each channel, in the same unit.
        dtype: of the result.
        layout: order of the result's axes.
        out: memory for the result, uint8[nbytes]; by default it is new.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f"images are {images.dtype}{list(images.shape)}; expected uint8[n, h, w, 3]"
        )
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout is {layout!r}; allowed are NCHW, NHWC")
    table = _table(mean=mean, std=std, dtype=dtype)
    count, height, width, _ = images.shape
    shape = (count, 3, height, width) if layout == "NCHW" else images.shape
    made = np.empty(shape, table.dtype) if out is None else out.view(table.dtype).reshape(shape)
    images = np.ascontiguousarray(images)
    if dtype == "float32":
        _native.normalize_float32(images, table, layout == "NCHW", made)
    else:
        _native.normalize_16bit(
            images, table.view(np.uint16), layout == "NCHW", made.view(np.uint16)
        )
    return made


def _table(
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
) -> NDArray[Any]:
    """Return what each of the 256 values of each channel becomes, [3, 256] (see `normalize`)."""
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ValueError(f"mean is {mean}, std is {std}; expected three each, std above zero")
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    means, stds = np.array([mean, std], np.float32)[:, :, np.newaxis]
    table: NDArray[np.float32] = (values - means) / stds
    if dtype == "float32":
        return table
    if dtype == "float16":
        return table.astype(np.float16)
    if dtype == "bfloat16":
        bits = table.view(np.uint32)
        odd = bits >> np.uint32(16) & np.uint32(1)
        return ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)
    raise ValueError(f"dtype is {dtype!r}; allowed are float32, float16, bfloat16")
