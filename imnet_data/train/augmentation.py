"""What a recipe does to a batch on the device: policy, normalize, erase, mix, in this order.

Everything is drawn from (seed, epoch, index). Images are mixed with others of the same rank's part
of a batch: with mixup or cutmix, the number of ranks changes the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from imnet_data.augment import (
    Erasing,
    Mix,
    TimmRandAugment,
    TrivialAugmentWide,
    apply_policy,
    erase,
    mix,
    soft_targets,
)
from imnet_data.train.batches import normalized, to_device

if TYPE_CHECKING:
    from torch import Tensor

    from imnet_data.augment import Policy
    from imnet_data.loaders.batch import Batch
    from imnet_data.train.recipes import PolicyName, TrainingRecipe

_POLICIES: dict[PolicyName, Policy] = {
    "trivialaugment-wide": TrivialAugmentWide(interpolation="bilinear"),
    "rand-m6-mstd0.5-inc1": TimmRandAugment(magnitude=6, magnitude_std=0.5),
}


def augmented(
    batch: Batch,
    recipe: TrainingRecipe,
    *,
    class_count: int,
    seed: int,
    epoch: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return what is trained on: images float32[n, 3, size, size], and targets.

    Targets are labels int64[n]; where the recipe mixes, float32[n, class_count].
    """
    images, indices = to_device(batch, device), batch.indices
    targets = torch.from_numpy(batch.labels).to(device)
    if recipe.policy is not None:
        policy = _POLICIES[recipe.policy]
        images = apply_policy(images, policy, seed=seed, epoch=epoch, indices=indices)
    images = normalized(images, recipe.pixels)
    if recipe.erasing:
        erasing = Erasing(probability=recipe.erasing)
        images = erase(images, recipe=erasing, seed=seed, epoch=epoch, indices=indices)
    if recipe.mixup or recipe.cutmix:
        mixing = Mix(mixup_alpha=recipe.mixup, cutmix_alpha=recipe.cutmix)
        targets = soft_targets(targets, class_count)
        images, targets = mix(
            images, targets, recipe=mixing, seed=seed, epoch=epoch, indices=indices
        )
    return images, targets
