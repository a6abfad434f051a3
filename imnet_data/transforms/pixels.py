"""Pixels to pixels (resize) and pixels to numbers (normalize), by the native core.

`resize` gives what Pillow 13's `Image.resize` gives, to the last bit. Pillow resizes columns before
rows where the height shrinks by more than twice as many pixels as the width; versions before 13.0
did so never, and differ there by a level in some pixels.

`normalize` gives what torchvision's ToTensor and Normalize give, to the last bit.
"""

import functools
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Numbers:
    """What pixels become: (pixels / 255 - mean) / std, computed in float32, then rounded.

    Args:
        mean: of each channel, where 255 is 1.
        std: of each channel, in the same unit.
        dtype: "float32", "float16" or "bfloat16"; half is rounded to even. NumPy has no bfloat16:
            its bits come as uint16 (`torch.from_numpy(bits).view(torch.bfloat16)`).
        layout: order of axes, "NCHW" or "NHWC".
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    @functools.cached_property
    def native(self) -> _native.Normalization:
        """The native code's tables for it.

        Raises:
            ValueError: if a value is not allowed.
        """
        if self.layout not in ("NCHW", "NHWC"):
            raise ValueError(f"layout is {self.layout!r}; allowed are NCHW, NHWC")
        return _native.Normalization(self.mean, self.std, self.dtype, self.layout == "NCHW")

    @property
    def stored(self) -> np.dtype[Any]:
        """The type of a number as NumPy has it."""
        return np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype)

    def of(
        self, images: NDArray[np.uint8], *, out: NDArray[np.uint8] | None = None
    ) -> NDArray[Any]:
        """Return the numbers of images, [n, 3, h, w] or [n, h, w, 3].

        Args:
            images: uint8[n, h, w, 3].
            out: memory for the result, uint8[nbytes]; by default it is new.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(
                f"images are {images.dtype}{list(images.shape)}; expected uint8[n, h, w, 3]"
            )
        if out is None:
            out = np.empty(images.size * self.stored.itemsize, np.uint8)
        self.native.normalize(np.ascontiguousarray(images), out)
        return self.viewed(out.reshape(*images.shape[:3], 3 * self.stored.itemsize))

    def viewed(self, stored: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the same memory as numbers, [..., 3, h, w] or [..., h, w, 3].

        Args:
            stored: uint8[..., h, w, 3 numbers], in whose memory they are in the layout's order.
        """
        numbers = stored.view(self.stored)
        *before, height, width, _ = numbers.shape
        return numbers.reshape(*before, 3, height, width) if self.layout == "NCHW" else numbers


def normalize(
    images: NDArray[np.uint8],
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
    layout: Literal["NCHW", "NHWC"] = "NCHW",
) -> NDArray[Any]:
    """Return what `Numbers` says of images: (images / 255 - mean) / std."""
    return Numbers(mean, std, dtype, layout).of(images)
