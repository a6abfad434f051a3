"""The processes that train together, as torchrun starts them; a process alone is rank 0 of 1."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from imnet_data.loaders.device import require_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TIMEOUT = timedelta(minutes=10)  # ranks compile for minutes, and rank 0 alone writes files


class Ranks(NamedTuple):
    """Which process this is, and on which device it works."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of all ranks' `values`; of integers it is exact. Changes `values`."""
        if self.world_size > 1:
            at = values.to(self.device)  # nccl takes no tensors of the CPU
            dist.all_reduce(at)
            values.copy_(at)
        return values

    def make_equal(self, models: Iterable[nn.Module]) -> None:
        """Set the numbers of `models` on every rank to those that they have on rank 0."""
        if self.world_size == 1:
            return
        values = [value for model in models for value in model.state_dict().values()]
        for dtype in dict.fromkeys(value.dtype for value in values):
            _send([value for value in values if value.dtype == dtype])


def _send(values: list[Tensor]) -> None:
    """Broadcast tensors of one dtype in one message."""
    message = torch.cat([value.reshape(-1) for value in values])
    dist.broadcast(message, 0)
    parts = torch.split(message, [value.numel() for value in values])
    for value, part in zip(values, parts, strict=True):
        value.copy_(part.view(value.shape))


def device_of_rank(local_rank: int, gpu_count: int) -> str:
    """Return the device of a process, "cuda:N".

    Slurm, Ray and Kubernetes may show each process one GPU alone, which then has the number 0.
    """
    return f"cuda:{0 if gpu_count == 1 else local_rank}"


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the other processes for as long as the context lasts.

    Args:
        device: "cpu" or "cuda"; each rank of a machine has a GPU of its own.

    Raises:
        ValueError: if it has none.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    where = torch.device("cpu")
    if device == "cuda":
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        where = require_device(device_of_rank(local_rank, torch.cuda.device_count()))
        torch.cuda.set_device(where)
    if world_size == 1:
        yield Ranks(0, 1, where)
        return
    dist.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        timeout=_TIMEOUT,
        device_id=where if device == "cuda" else None,  # so that NCCL fails now, not at a step
    )
    try:
        yield Ranks(dist.get_rank(), world_size, where)
    except BaseException:
        _abort()
        raise
    dist.destroy_process_group()


def _abort() -> None:
    """Leave without waiting for what is under way, which other ranks may never join."""
    if dist.get_backend() == "nccl" and hasattr(dist.distributed_c10d, "_abort_process_group"):
        dist.distributed_c10d._abort_process_group()
    else:
        dist.destroy_process_group()
