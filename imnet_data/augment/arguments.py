"""What the functions of this package ask of their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


def require_batch(images: Tensor, indices: NDArray[np.integer], *, is_uint8: bool = False) -> None:
    """Refuse what is not a batch of colour images with one index each."""
    allowed = "uint8" if is_uint8 else "uint8 or float"
    right_dtype = images.dtype == torch.uint8 or (images.is_floating_point() and not is_uint8)
    if not right_dtype or images.ndim != 4 or images.shape[1] != 3 or not images.numel():
        raise ValueError(
            f"images are {images.dtype}{list(images.shape)}; expected {allowed} [n, 3, height, "
            "width], not empty"
        )
    if indices.shape != (len(images),):
        raise ValueError(
            f"indices have shape {list(indices.shape)}; expected one for each of "
            f"{len(images)} images"
        )
