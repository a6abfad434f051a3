"""Augmentation of whole batches on the device that they are on, in torch, for any loader.

Everything is drawn from (seed, epoch, index) on the host, as small NumPy tables that can be looked
at (`draw_...`), and then done to all images at once (`apply_...`); torch's generators are not used.
What is done to one image while it is decoded belongs to `transforms`. The order is that of
torchvision's training script: policies and jitter on uint8, then normalize, erase, and mix last:

    images = apply_policy(images, TrivialAugmentWide(), seed=0, epoch=epoch, indices=indices)
    ...
    images = erase(images, recipe=Erasing(), seed=0, epoch=epoch, indices=indices)
    targets = soft_targets(labels, 1000, smoothing=0.1)
    images, targets = mix(
        images, targets, recipe=Mix(cutmix_alpha=1.0), seed=0, epoch=epoch, indices=indices
    )
"""

from imnet_data.augment.color_jitter import (
    ColorJitter,
    JitterDraw,
    apply_jitter,
    draw_jitter,
    jitter,
)
from imnet_data.augment.erasing import Erasing, draw_erasing, erase
from imnet_data.augment.mixing import Mix, MixDraw, apply_mix, draw_mix, mix, soft_targets
from imnet_data.augment.operations import OPERATIONS, OperationDraw, apply_operations
from imnet_data.augment.policies import (
    AutoAugment,
    Policy,
    RandAugment,
    TimmRandAugment,
    TrivialAugmentWide,
    apply_policy,
    draw_policy,
)

__all__ = [
    "OPERATIONS",
    "AutoAugment",
    "ColorJitter",
    "Erasing",
    "JitterDraw",
    "Mix",
    "MixDraw",
    "OperationDraw",
    "Policy",
    "RandAugment",
    "TimmRandAugment",
    "TrivialAugmentWide",
    "apply_jitter",
    "apply_mix",
    "apply_operations",
    "apply_policy",
    "draw_erasing",
    "draw_jitter",
    "draw_mix",
    "draw_policy",
    "erase",
    "jitter",
    "mix",
    "soft_targets",
]
