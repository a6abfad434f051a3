"""The processes that train together, as torchrun starts them; a process alone is rank 0 of 1."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from imnet_data.loaders.device import require_device

if TYPE_CHECKING:
    from collections.abc import Iterator


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

    def make_equal(self, model: nn.Module) -> None:
        """Return `model` on every rank the numbers that it has on rank 0."""
        if self.world_size > 1:
            for value in model.state_dict().values():
                dist.broadcast(value, 0)


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
        where = require_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(where)
    if world_size == 1:
        yield Ranks(0, 1, where)
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), world_size, where)
    finally:
        dist.destroy_process_group()
