"""From the loaders to tensors: what is trained on, and what is validated on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from imnet_data.dataset import Dataset
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.metrics import ClassSpace, Outcomes
from imnet_data.pool import cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.loaders.batch import Batch, Loader
    from imnet_data.metrics import Results
    from imnet_data.pipeline import EvalRecipe, TrainRecipe
    from imnet_data.train.distributed import Ranks
    from imnet_data.train.execution import Execution
    from imnet_data.train.recipes import TrainingRecipe


def open_training(
    dataset: Dataset,
    recipe: TrainingRecipe,
    *,
    seed: int,
    execution: Execution,
    ranks: Ranks,
) -> Loader:
    """Open the loader of one rank's batches; its length is in parts of steps."""
    parts = ranks.world_size * execution.accumulate
    size, rest = divmod(recipe.batch_size, parts)
    if rest or not size:
        raise ValueError(
            f"a batch of {recipe.batch_size} can not be cut into {parts} equal parts "
            f"({ranks.world_size} ranks x accumulate {execution.accumulate})"
        )
    schedule = Schedule(
        count=len(dataset),
        batch_size=size,
        seed=seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
    )
    if len(schedule) < execution.accumulate:
        raise ValueError(f"{len(dataset)} records do not fill a batch of {recipe.batch_size}")
    return _open(dataset, recipe.pixels, schedule, threads=_threads(execution, ranks))


class Validation:
    """The val split, every record exactly once over all ranks."""

    def __init__(self, dataset: Dataset, loader: Loader) -> None:
        self._dataset, self._loader = dataset, loader

    def results(self, logits: Callable[[Batch], Tensor], ranks: Ranks) -> Results:
        """Score all records, and give the results of all ranks on each of them.

        Raises:
            EvaluationError: if a record was not scored, or a logit is not finite.
        """
        space = ClassSpace.of(len(self._dataset.classes))
        outcomes = Outcomes(self._dataset.labels, space=space)
        for batch in self._loader.epoch(0):
            if len(batch.indices):  # a rank may have none of the last records
                outcomes.add(batch.indices, space.reduce(logits(batch)))
        ranks.sum(torch.from_numpy(outcomes.table))
        return outcomes.complete()

    def close(self) -> None:
        """Give back threads and files."""
        self._loader.close()
        self._dataset.close()


def open_validation(
    dataset: Dataset, recipe: TrainingRecipe, execution: Execution, ranks: Ranks
) -> Validation | None:
    """Open the val split beside a train split; None if the dataset has none."""
    if "val" not in dataset.about.splits:
        return None
    opened = Dataset.open(dataset.root, "val")
    schedule = Schedule(
        count=len(opened),
        batch_size=recipe.batch_size // (ranks.world_size * execution.accumulate),
        rank=ranks.rank,
        world_size=ranks.world_size,
        order="sequential",
        last="ragged",
    )
    threads = _threads(execution, ranks)
    return Validation(opened, _open(opened, recipe.val_pixels, schedule, threads=threads))


def _open(
    dataset: Dataset, pixels: TrainRecipe | EvalRecipe, schedule: Schedule, *, threads: int
) -> Loader:
    return CpuLoader(source_of(dataset), pixels, schedule, threads=threads)


def _threads(execution: Execution, ranks: Ranks) -> int:
    return execution.loader_threads or max(1, cores() // ranks.local_world_size)


def to_device(batch: Batch, device: torch.device) -> Tensor:
    """Return the images of a batch on the device, uint8[n, 3, size, size]."""
    # a copy that is waited for: the loader uses the batch's memory again
    return torch.from_numpy(batch.images).to(device).permute(0, 3, 1, 2)


def normalized(images: Tensor, recipe: TrainRecipe | EvalRecipe) -> Tensor:
    """Return float32 images, equal to those of `pipeline.normalize`, on any device."""
    mean = torch.tensor(recipe.mean, device=images.device).view(3, 1, 1)
    std = torch.tensor(recipe.std, device=images.device).view(3, 1, 1)
    return (images.float() / 255 - mean) / std


def loss_of(logits: Tensor, targets: Tensor, recipe: TrainingRecipe) -> Tensor:
    """Return the mean loss of a batch.

    Args:
        logits: [n, classes].
        targets: labels int64[n], or soft targets [n, classes].
        recipe: says which loss, and how targets are smoothed.
    """
    logits = logits.float()
    if recipe.loss == "cross_entropy":
        return F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
    if targets.ndim == 1:
        targets = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
    if recipe.target_threshold is not None:
        targets = (targets > recipe.target_threshold).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, targets)
