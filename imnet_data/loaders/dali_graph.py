"""The parts of a DALI pipeline that both ways of feeding it have: decoding and resizing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvidia.dali import fn, types

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.transforms.pixels import Filter

# of nvJPEG's buffers; what NVIDIA's ResNet-50 example asks for is 5.49 and 3.66 times 5980 x 6430
_DEVICE_NBYTES_PER_PIXEL, _HOST_NBYTES_PER_PIXEL = 5.5, 3.7
_INTERPOLATION = {"bilinear": types.INTERP_LINEAR, "bicubic": types.INTERP_CUBIC}


def decode_options(
    widths: NDArray[np.integer],
    heights: NDArray[np.integer],
    *,
    device_id: int | None,
    hw_decoder_load: float = 0.65,
) -> dict[str, Any]:
    """Return options for each of `fn.decoders`; those about memory count on a GPU alone.

    nvJPEG's buffers, of which each thread has its own, grow whenever an image is larger than all
    before it, and a GPU stands still then: so they are made for the largest of all images at once.

    Source: NVIDIA/DALI, docs/examples/use_cases/pytorch/resnet50/main.py.

    Args:
        widths: of all images that will come, in pixels.
        heights: of the same.
        device_id: number of the GPU; None for the CPU.
        hw_decoder_load: share of a batch that goes to the hardware decoder of a GPU that has one;
            0.65 is DALI's default.
    """
    if not 0 <= hw_decoder_load <= 1:
        raise ValueError(f"hw_decoder_load is {hw_decoder_load}; allowed are 0 to 1")
    largest = int((widths.astype(int) * heights.astype(int)).max())
    return {
        "device": "cpu" if device_id is None else "mixed",
        "output_type": types.RGB,
        "adjust_orientation": False,  # EXIF is ignored for ImageNet, as torchvision and timm do
        "jpeg_fancy_upsampling": True,  # libjpeg-turbo's, which the CPU backend has anyway
        "hw_decoder_load": hw_decoder_load,
        "preallocate_width_hint": int(widths.max()),
        "preallocate_height_hint": int(heights.max()),
        "device_memory_padding": int(_DEVICE_NBYTES_PER_PIXEL * largest),
        "host_memory_padding": int(_HOST_NBYTES_PER_PIXEL * largest),
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
