"""What loaders share of torch devices: choice, pinned memory, normalising, holding batches."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
import torch.distributed
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from imnet_data.loaders.batch import T
    from imnet_data.transforms import EvalRecipe, MultiCropRecipe, TrainRecipe


_HELD = 2  # batches for which work may be queued while the next one is asked for


def require_device(device: torch.device | str) -> torch.device:
    """Return a device that this machine has.

    Raises:
        ValueError: if there is no such one.
    """
    try:
        where = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device is {device!r}; allowed are cpu, cuda and cuda:N") from error
    count = torch.cuda.device_count()
    if where.type == "cuda" and (where.index or 0) >= count:
        raise ValueError(
            f"device is '{where}', and torch {torch.__version__} finds {count} GPUs; choose cpu, "
            "or install a driver and a torch for its CUDA"
        )
    return where


def pinned(nbytes: int) -> NDArray[np.uint8]:
    """Return uint8[nbytes] in pinned memory, from which a GPU copies while the CPU continues."""
    memory: NDArray[np.uint8] = torch.empty(nbytes, dtype=torch.uint8, pin_memory=True).numpy()
    return memory


def constants(recipe: TrainRecipe | EvalRecipe | MultiCropRecipe, device: torch.device) -> Tensor:
    """Return what `normalized` divides by, subtracts, and divides by, float32[3, 3, 1, 1]."""
    rows = torch.tensor([(255.0,) * 3, recipe.mean, recipe.std], device=device)
    return rows.view(3, 3, 1, 1)


def normalized(
    images: Tensor, constants: Tensor, *, dtype: torch.dtype, channels_last: bool
) -> Tensor:
    """Return what `transforms.normalize` gives, [n, 3, h, w], made where the images are.

    Args:
        images: uint8[n, h, w, 3].
        constants: as the function of that name returns them. No plain numbers: torch divides by
            those on a GPU by multiplying with their inverse, which rounds twice.
        dtype: of the result; computed in float32, then rounded.
        channels_last: memory format of the result.
    """
    scale, mean, std = constants
    layout = torch.channels_last if channels_last else torch.contiguous_format
    values = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
    return values.div_(scale).sub_(mean).div_(std).to(dtype)


def mark(device: torch.device) -> torch.cuda.Event:
    """Return an event that comes when what is queued now on the current stream is done.

    A host that waits for it sleeps; by default it would keep a core busy that loaders could use.
    """
    event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def held(batches: Iterator[T], mark: Callable[[], torch.cuda.Event]) -> Generator[T]:
    """Yield batches on, and hold each until the GPU has done what was queued for it.

    Their memory is that of a decoder, which uses it again as soon as nobody holds it. `mark` is
    called when the next batch is asked for: which stream is the current one may have changed.
    """
    waiting: deque[tuple[T, torch.cuda.Event]] = deque()
    try:
        for batch in batches:
            yield batch
            waiting.append((batch, mark()))
            if len(waiting) > _HELD:
                waiting[0][1].synchronize()
                waiting.popleft()
    finally:
        mark().synchronize()  # of the batch that was given last, if the epoch is left with it
        for _, event in waiting:
            event.synchronize()
