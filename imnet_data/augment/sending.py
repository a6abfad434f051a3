"""Arrays on their way to a device: the host waits for none of them.

What goes to a GPU goes from pinned memory, which torch does not use again before the copy is done.
Tables that never change are sent once for each device.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor


def sent(values: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor on a device."""
    tensor = torch.from_numpy(values)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def sent_once(made: Callable[[], NDArray[Any]]) -> Callable[[torch.device], Tensor]:
    """Return a function that returns what `made` makes, on a device.

    The first call for a GPU waits until the table is there, so that every stream may read it.
    """

    @functools.cache
    def on_device(device: torch.device) -> Tensor:
        return torch.from_numpy(made()).to(device)

    return on_device
