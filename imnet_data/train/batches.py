"""What is trained on and what is validated on, as tensors on the device; and the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from imnet_data.loaders.opening import open_loader
from imnet_data.loaders.torch import TorchLoader
from imnet_data.metrics import ClassSpace, Outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.arguments import StrPath
    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.dali import DaliLoader
    from imnet_data.loaders.opening import Decoder
    from imnet_data.metrics import Results
    from imnet_data.train.distributed import Ranks
    from imnet_data.train.execution import Execution
    from imnet_data.train.recipes import TrainingRecipe
    from imnet_data.transforms import EvalRecipe, TrainRecipe

    PixelLoader = CpuLoader | DaliLoader


def open_training(
    root: StrPath, recipe: TrainingRecipe, *, seed: int, execution: Execution, ranks: Ranks
) -> TorchLoader:
    """Open the loader of one rank's parts of steps.

    Raises:
        ValueError: if a batch cannot be cut into parts, or the records do not fill one.
        MissingExtra: if the loader is one whose package is not installed.
    """
    loader = _open(
        root,
        recipe,
        recipe.pixels,
        seed=seed,
        execution=execution,
        ranks=ranks,
        decoder=execution.loader,
    )
    if len(loader) < execution.accumulate:
        loader.close()
        raise ValueError(f"the records do not fill one batch of {recipe.batch_size}")
    return _tensors(loader, execution, ranks)


class Validation:
    """The val split of the dataset at `root`, every record exactly once over all ranks.

    Always of exact pixels, whatever decodes what is trained on.
    """

    def __init__(
        self, root: StrPath, recipe: TrainingRecipe, *, execution: Execution, ranks: Ranks
    ) -> None:
        loader = _open(root, recipe, recipe.val_pixels, seed=0, execution=execution, ranks=ranks)
        self._loader, self._ranks = _tensors(loader, execution, ranks), ranks

    def results(self, logits: Callable[[Tensor], Tensor]) -> Results:
        """Score all records, and return the results of all ranks on each of them.

        Args:
            logits: of images float32[n, 3, size, size], [n, classes].

        Raises:
            EvaluationError: if a record was not scored, or a logit is not finite.
        """
        dataset = self._loader.dataset
        space = ClassSpace.of(len(dataset.classes))
        outcomes = Outcomes(dataset.labels, space=space)
        for batch in self._loader.epoch(0):
            if len(batch.images):  # a rank may have none of the last records
                outcomes.add(batch.indices.cpu().numpy(), space.reduce(logits(batch.images)))
        self._ranks.sum(torch.from_numpy(outcomes.table))
        return outcomes.complete()

    def close(self) -> None:
        """Close threads and files."""
        self._loader.close()


def _open(
    root: StrPath,
    recipe: TrainingRecipe,
    pixels: TrainRecipe | EvalRecipe,
    *,
    seed: int,
    execution: Execution,
    ranks: Ranks,
    decoder: Decoder = "cpu",
) -> PixelLoader:
    parts = ranks.world_size * execution.accumulate
    size, rest = divmod(recipe.batch_size, parts)
    if rest or not size:
        raise ValueError(
            f"a batch of {recipe.batch_size} cannot be cut into {parts} equal parts "
            f"({ranks.world_size} ranks x accumulate {execution.accumulate})"
        )
    opened = open_loader(
        root,
        pixels,
        batch_size=size,
        seed=seed,
        rank=ranks.rank,
        world_size=ranks.world_size,
        threads=execution.loader_threads,
        device="cpu" if decoder == "cpu" else str(ranks.device),
        decoder=decoder,
    )
    return opened.loader if isinstance(opened, TorchLoader) else opened


def _tensors(loader: PixelLoader, execution: Execution, ranks: Ranks) -> TorchLoader:
    return TorchLoader(loader, device=ranks.device, channels_last=execution.channels_last)


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
