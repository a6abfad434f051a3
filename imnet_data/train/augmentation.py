"""What a recipe does to a batch on the device, in this order.

Policy, colour jitter, normalize, erase, mix: the order of timm's and torchvision's scripts.

Everything is drawn from (seed, epoch, index). Images are mixed with others of the same rank's part
of a batch: with mixup or cutmix, the number of ranks changes the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from imnet_data.augment import (
    AutoAugment,
    ColorJitter,
    Erasing,
    Mix,
    RandAugment,
    TimmRandAugment,
    TrivialAugmentWide,
    apply_policy,
    erase,
    jitter,
    mix,
    soft_targets,
)
from imnet_data.loaders.device import constants, normalized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.augment import Policy
    from imnet_data.loaders.batch import Batch, DeviceBatch
    from imnet_data.loaders.torch import TensorBatch
    from imnet_data.train.recipes import AugmentName, TrainingRecipe

# bilinear and two operations at magnitude 9 of 30 are what torchvision's script has; the last one
# is timm's: magnitude 6 of 10 with a deviation of 0.5, "increasing"
POLICIES: dict[AugmentName, Policy] = {
    "auto-augment": AutoAugment(interpolation="bilinear"),
    "rand-augment": RandAugment(interpolation="bilinear"),
    "trivial-augment-wide": TrivialAugmentWide(interpolation="bilinear"),
    "rand-m6-mstd0.5-inc1": TimmRandAugment(magnitude=6, magnitude_std=0.5),
}


def augmented(
    batch: Batch | DeviceBatch | TensorBatch,
    recipe: TrainingRecipe,
    *,
    class_count: int,
    seed: int,
    epoch: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return what is trained on: images float32[n, 3, size, size], and targets.

    Targets are labels int64[n]; where the recipe mixes, float32[n, class_count]. Where the recipe
    changes pixels, the batch has to be as decoded, else normalized.
    """
    images, targets = torch.as_tensor(batch.images), torch.as_tensor(batch.labels).to(device)
    indices: NDArray[np.int64] = torch.as_tensor(batch.indices).cpu().numpy()
    if recipe.changes_pixels:
        # a copy that is waited for: the loader uses the batch's memory again
        pixels = images.to(device).permute(0, 3, 1, 2)
        if recipe.augment is not None:
            policy = POLICIES[recipe.augment]
            pixels = apply_policy(pixels, policy, seed=seed, epoch=epoch, indices=indices)
        if any(recipe.color_jitter):
            brightness, contrast, saturation, hue = recipe.color_jitter
            colors = ColorJitter(
                brightness=brightness, contrast=contrast, saturation=saturation, hue=hue
            )
            pixels = jitter(pixels, recipe=colors, seed=seed, epoch=epoch, indices=indices)
        images = normalized(
            pixels.permute(0, 2, 3, 1),
            constants(recipe.pixels, device),
            dtype=torch.float32,
            channels_last=False,
        )
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
