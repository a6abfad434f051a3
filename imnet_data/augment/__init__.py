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

Names are imported when they are first used: the recipes, which are plain values, need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imnet_data.augment.color_jitter import JitterDraw, apply_jitter, draw_jitter, jitter
    from imnet_data.augment.erasing import draw_erasing, erase
    from imnet_data.augment.mixing import MixDraw, apply_mix, draw_mix, mix, soft_targets
    from imnet_data.augment.operations import OPERATIONS, OperationDraw, apply_operations
    from imnet_data.augment.policies import apply_policy, draw_policy
    from imnet_data.augment.recipes import (
        AutoAugment,
        ColorJitter,
        Erasing,
        Mix,
        Policy,
        RandAugment,
        TimmRandAugment,
        TrivialAugmentWide,
        ViewColors,
    )
    from imnet_data.augment.view_colors import ViewDraw, apply_view, color_view, draw_view

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
    "ViewColors",
    "ViewDraw",
    "apply_jitter",
    "apply_mix",
    "apply_operations",
    "apply_policy",
    "apply_view",
    "color_view",
    "draw_erasing",
    "draw_jitter",
    "draw_mix",
    "draw_policy",
    "draw_view",
    "erase",
    "jitter",
    "mix",
    "soft_targets",
]

_MODULES = {
    "OPERATIONS": "operations",
    "AutoAugment": "recipes",
    "ColorJitter": "recipes",
    "Erasing": "recipes",
    "JitterDraw": "color_jitter",
    "Mix": "recipes",
    "MixDraw": "mixing",
    "OperationDraw": "operations",
    "Policy": "recipes",
    "RandAugment": "recipes",
    "TimmRandAugment": "recipes",
    "TrivialAugmentWide": "recipes",
    "ViewColors": "recipes",
    "ViewDraw": "view_colors",
    "apply_jitter": "color_jitter",
    "apply_mix": "mixing",
    "apply_operations": "operations",
    "apply_policy": "policies",
    "apply_view": "view_colors",
    "color_view": "view_colors",
    "draw_erasing": "erasing",
    "draw_jitter": "color_jitter",
    "draw_mix": "mixing",
    "draw_policy": "policies",
    "draw_view": "view_colors",
    "erase": "erasing",
    "jitter": "color_jitter",
    "mix": "mixing",
    "soft_targets": "mixing",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'imnet_data.augment' has no attribute {name!r}")
    return getattr(importlib.import_module(f"imnet_data.augment.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
