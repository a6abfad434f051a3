"""Recipes of pixels and of batches as they are published: each function names its source.

Sizes, boxes, probabilities and strengths are those of the source; colours are changed as
torchvision does it to Pillow's images, which is not the arithmetic of sources in TensorFlow or JAX.
Where a published recipe has a label smoothing, it belongs to the loss, unless `mix.smoothing` says
otherwise.
"""

from __future__ import annotations

from imnet_data.augment.recipes import POLICIES, ColorJitter, Erasing, Mix, TimmRandAugment
from imnet_data.transforms.multi_crop import MultiCropRecipe
from imnet_data.transforms.recipe import TrainRecipe


def torchvision_v1() -> TrainRecipe:
    """Return what torchvision trains its first weights with.

    Source: pytorch/vision, references/classification/README.md, ResNet; presets.py.
    """
    return TrainRecipe()


def torchvision_v2() -> TrainRecipe:
    """Return what torchvision trains its second weights with: 176 pixels, repeats, mixing.

    Source: pytorch/vision, references/classification/README.md, ResNet, new recipe
    (--auto-augment ta_wide --random-erase 0.1 --mixup-alpha 0.2 --cutmix-alpha 1.0
    --train-crop-size 176 --ra-sampler --ra-reps 4); presets.py has the interpolation.
    """
    return TrainRecipe(
        size=176,
        repeats=4,
        policy=POLICIES["trivial-augment-wide"],
        erasing=Erasing(probability=0.1),
        mix=Mix(mixup_alpha=0.2, cutmix_alpha=1.0),
    )


def timm_a1() -> TrainRecipe:
    """Return procedure A1 of ResNet strikes back, which trains for 600 epochs at 224 pixels.

    Source: Wightman, Touvron, Jegou, 2021 (arXiv 2110.00476), table 2; details as in
    open-mmlab/mmpretrain, configs/resnet/resnet50_8xb256-rsb-a1-600e_in1k.py.
    """
    return _strikes_back(size=224, magnitude=7, mixup_alpha=0.2, repeats=3)


def timm_a2() -> TrainRecipe:
    """Return procedure A2 of ResNet strikes back, which trains for 300 epochs at 224 pixels.

    Source: as for `timm_a1`, resnet50_8xb256-rsb-a2-300e_in1k.py.
    """
    return _strikes_back(size=224, magnitude=7, mixup_alpha=0.1, repeats=3)


def timm_a3() -> TrainRecipe:
    """Return procedure A3 of ResNet strikes back, which trains for 100 epochs at 160 pixels.

    Source: as for `timm_a1`, resnet50_8xb256-rsb-a3-100e_in1k.py, which trains at 224.
    """
    return _strikes_back(size=160, magnitude=6, mixup_alpha=0.1, repeats=1)


def deit() -> TrainRecipe:
    """Return what DeiT trains with at 224 pixels; its smoothing of 0.1 is in the soft targets.

    Source: Touvron et al., 2021; facebookresearch/deit, main.py (defaults), samplers.py (repeats).
    """
    return TrainRecipe(
        filter="bicubic",
        repeats=3,
        policy=TimmRandAugment(magnitude=9, magnitude_std=0.5),
        erasing=Erasing(probability=0.25, mode="pixel", scale=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3)),
        mix=Mix(mixup_alpha=0.8, cutmix_alpha=1.0, smoothing=0.1),
    )


def _strikes_back(*, size: int, magnitude: float, mixup_alpha: float, repeats: int) -> TrainRecipe:
    return TrainRecipe(
        size=size,
        filter="bicubic",
        repeats=repeats,
        policy=TimmRandAugment(magnitude=magnitude, magnitude_std=0.5),
        mix=Mix(mixup_alpha=mixup_alpha, cutmix_alpha=1.0),
    )


def dino() -> MultiCropRecipe:
    """Return DINO's two large and eight small views, with the scales of its code's defaults.

    Source: Caron et al., 2021; facebookresearch/dino, main_dino.py, DataAugmentationDINO,
    --global_crops_scale 0.4 1, --local_crops_scale 0.05 0.4, --local_crops_number 8.
    """
    return MultiCropRecipe(
        views=[(2, 224, 0.4, 1.0), (8, 96, 0.05, 0.4)],
        color_jitter=ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
        jitter=0.8,
        greyscale=0.2,
        blur=(1.0, 0.1, *(0.5,) * 8),
        solarize=(0.0, 0.2, *(0.0,) * 8),
    )


def simclr() -> MultiCropRecipe:
    """Return SimCLR's two views of equal strength.

    Source: Chen et al., 2020; google-research/simclr, data_util.py, color_jitter_strength 1.0.
    """
    return MultiCropRecipe(
        views=[(2, 224, 0.08, 1.0)],
        color_jitter=ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2),
        jitter=0.8,
        greyscale=0.2,
        blur=0.5,
    )


def byol() -> MultiCropRecipe:
    """Return BYOL's pair of views: the first always blurred, the second solarised by chance.

    Source: Grill et al., 2020; google-deepmind/deepmind-research, byol/utils/augmentations.py.
    """
    return MultiCropRecipe(
        views=[(2, 224, 0.08, 1.0)],
        color_jitter=ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
        jitter=0.8,
        greyscale=0.2,
        blur=(1.0, 0.1),
        solarize=(0.0, 0.2),
    )


def mae() -> MultiCropRecipe:
    """Return the single view that masked autoencoders are trained with.

    Source: He et al., 2021; facebookresearch/mae, main_pretrain.py.
    """
    return MultiCropRecipe(views=[(1, 224, 0.2, 1.0)])
