"""From the folder of a dataset to its batches, in one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, overload

from imnet_data.dataset import Dataset
from imnet_data.errors import MissingExtra
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.pipeline import EvalRecipe, TrainRecipe
from imnet_data.pool import cores

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.loaders.torch import TorchLoader


@overload
def open_loader(
    root: Path | str,
    recipe: TrainRecipe | EvalRecipe,
    *,
    batch_size: int,
    split: str | None = None,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    threads: int | None = None,
    device: Literal["cpu"] = "cpu",
) -> CpuLoader: ...


@overload
def open_loader(
    root: Path | str,
    recipe: TrainRecipe | EvalRecipe,
    *,
    batch_size: int,
    split: str | None = None,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    threads: int | None = None,
    device: str,
) -> CpuLoader | TorchLoader: ...


def open_loader(
    root: Path | str,
    recipe: TrainRecipe | EvalRecipe,
    *,
    batch_size: int,
    split: str | None = None,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    threads: int | None = None,
    device: str = "cpu",
) -> CpuLoader | TorchLoader:
    """Give the batches of one rank: shuffled to train with, each record exactly once to evaluate.

    With a TrainRecipe, `order` and `last` of Schedule are "shuffled" and "drop"; with an EvalRecipe
    they are "sequential" and "ragged". For other ways, and to skip bad records, put a CpuLoader
    together from a source and a Schedule.

    Args:
        root: the folder of a dataset.
        recipe: what is done to the pixels.
        batch_size: records in a batch of one rank.
        split: by default "train" with a TrainRecipe, "val" with an EvalRecipe.
        seed: of order, crops and flips.
        rank: which of the processes this is, from 0.
        world_size: number of processes.
        threads: native threads; by default one for each core that this process may use, divided by
            LOCAL_WORLD_SIZE where torchrun has set it.
        device: "cpu" gives arrays as decoded, Batch; another one is for torch and gives normalised
            tensors there, TensorBatch. `TorchLoader` gives tensors on every device.

    Raises:
        ManifestError: if there is no dataset, it is damaged, or has no such split.
        MissingExtra: if a device is asked for, and torch is not installed.
    """
    is_training = isinstance(recipe, TrainRecipe)
    dataset = Dataset.open(root, split or ("train" if is_training else "val"))
    schedule = Schedule(
        count=len(dataset),
        batch_size=batch_size,
        seed=seed,
        rank=rank,
        world_size=world_size,
        order="shuffled" if is_training else "sequential",
        last="drop" if is_training else "ragged",
    )
    if threads is None:
        threads = max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    loader = CpuLoader(source_of(dataset), recipe, schedule, threads=threads, dataset=dataset)
    return loader if device == "cpu" else _on_device(loader, device)


def _on_device(loader: CpuLoader, device: str) -> TorchLoader:
    try:
        from imnet_data.loaders.torch import TorchLoader
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"device {device!r} needs {error.name}, which is not installed; "
            "install it: pip install 'imnet-data[torch]'"
        ) from error
    return TorchLoader(loader, device=device)
