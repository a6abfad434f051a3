"""The parts of a DALI pipeline that both ways of feeding it have: decoding and resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nvidia.dali
from nvidia.dali import Pipeline, fn, types

from imnet_data.errors import MissingExtra
from imnet_data.loaders.dali_memory import planned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.transforms.pixels import Filter

_FIRST_MAJOR_VERSION = 2
_INTERPOLATION = {"bilinear": types.INTERP_LINEAR, "bicubic": types.INTERP_CUBIC}


def require_dali(version: str) -> None:
    """Raise MissingExtra if a version of DALI is older than 2.0, which began to keep its outputs.

    Earlier ones write the next batches over those that a caller still holds.
    """
    if int(version.partition(".")[0]) < _FIRST_MAJOR_VERSION:
        raise MissingExtra(
            f"DALI {version} is installed, and {_FIRST_MAJOR_VERSION}.0 is the oldest that can be "
            "used; in a clone of imnet-data, run: pip install '.[dali]' (CUDA 13) or "
            "'.[dali-cuda12]' (CUDA 12); or pass decoder='cpu'"
        )


require_dali(nvidia.dali.__version__)


def empty_pipeline(
    batch_size: int,
    threads: int,
    device_id: int | None,
    *,
    seed: int | None = None,
    batches_ahead: int = 2,
) -> Pipeline:
    """Return a pipeline to be filled, whose outputs stay as they are while somebody holds them."""
    return Pipeline(
        batch_size,
        threads,
        device_id,
        seed,
        prefetch_queue_depth=batches_ahead,
        exec_dynamic=True,
    )


def decode_options(
    widths: NDArray[np.integer],
    heights: NDArray[np.integer],
    *,
    device_id: int | None,
    threads: int,
    cut: bool = False,
    hw_decoder_load: float = 0.65,
) -> dict[str, Any]:
    """Return options for each of `fn.decoders`; those about memory count on a GPU alone.

    Memory is planned ahead as `dali_memory` describes it.

    Args:
        widths: of all images that will come, in pixels.
        heights: of the same.
        device_id: number of the GPU; None for the CPU.
        threads: that decode.
        cut: whether most images come cut to their crops, so that no size is typical of them.
        hw_decoder_load: share of a batch that goes to the hardware decoder of a GPU that has one;
            0.65 is DALI's default.
    """
    if not 0 <= hw_decoder_load <= 1:
        raise ValueError(f"hw_decoder_load is {hw_decoder_load}; allowed are 0 to 1")
    plan = planned(widths, heights, threads=threads)
    hints = {"preallocate_width_hint": plan.width, "preallocate_height_hint": plan.height}
    return {
        "device": "cpu" if device_id is None else "mixed",
        "output_type": types.RGB,
        "adjust_orientation": False,  # EXIF is ignored for ImageNet, as torchvision and timm do
        "jpeg_fancy_upsampling": True,  # libjpeg-turbo's, which the CPU backend has anyway
        "hw_decoder_load": hw_decoder_load,
        "device_memory_padding": plan.device_nbytes,
        "host_memory_padding": plan.host_nbytes,
        **({} if cut else hints),
    }


def resized(images: Any, size: Any, filter: Filter) -> Any:
    """Return images resized to `size`, float32 (height, width), antialiased as Pillow does it."""
    return fn.resize(
        images,
        size=size,
        interp_type=_INTERPOLATION[filter],
        antialias=True,
        subpixel_scale=False,
    )
