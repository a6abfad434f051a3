"""What a recipe does to a batch, held against the functions that do it, in their order."""

import dataclasses
from typing import Any, get_args

import numpy as np
import pytest
import torch

from imnet_data import augment
from imnet_data.loaders.batch import Batch
from imnet_data.loaders.torch import TensorBatch
from imnet_data.train import recipes
from imnet_data.train.augmentation import POLICIES, augmented
from imnet_data.transforms import normalize

CPU = torch.device("cpu")
BATCH = Batch(
    np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), np.uint8),
    np.array([0, 1, 2, 3, 4, 4]),
    np.array([50, 3, 11, 7, 8, 99]),
)


DRAWN: dict[str, Any] = {"seed": 1, "epoch": 2, "indices": BATCH.indices}


def plain():
    """The batch as tensors, as a recipe without a policy has it."""
    recipe = recipes.get("torchvision-v1").pixels
    images = torch.from_numpy(normalize(BATCH.images, mean=recipe.mean, std=recipe.std))
    return TensorBatch(images, torch.from_numpy(BATCH.labels), torch.from_numpy(BATCH.indices))


def test_a_plain_recipe_gives_pixels_and_labels_as_they_are():
    recipe = recipes.get("torchvision-v1")
    images, targets = augmented(plain(), recipe, class_count=5, seed=1, epoch=2, device=CPU)
    assert torch.equal(images, plain().images)
    assert targets.tolist() == BATCH.labels.tolist()


def test_without_a_policy_images_are_erased_and_mixed():
    recipe = dataclasses.replace(recipes.get("torchvision-v1"), erasing=0.9, cutmix=1.0)
    erased = augment.erase(plain().images, recipe=augment.Erasing(probability=0.9), **DRAWN)
    targets = augment.soft_targets(plain().labels, 5)
    expected = augment.mix(erased, targets, recipe=augment.Mix(cutmix_alpha=1.0), **DRAWN)
    got = augmented(plain(), recipe, class_count=5, seed=1, epoch=2, device=CPU)
    for value, other in zip(got, expected, strict=True):
        assert torch.equal(value, other)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("auto-augment", augment.AutoAugment(interpolation="bilinear")),
        ("rand-augment", augment.RandAugment(magnitude=9, interpolation="bilinear")),
        ("trivial-augment-wide", augment.TrivialAugmentWide(interpolation="bilinear")),
        ("rand-m6-mstd0.5-inc1", augment.TimmRandAugment(magnitude=6, magnitude_std=0.5)),
        (None, None),
    ],
)
def test_a_named_policy_and_jitter_do_what_augment_does(name, policy):
    jitter = (0.4, 0.3, 0.2, 0.1)
    recipe = dataclasses.replace(recipes.get("demo"), augment=name, color_jitter=jitter)
    images = torch.from_numpy(BATCH.images).permute(0, 3, 1, 2)
    if policy is not None:
        images = augment.apply_policy(images, policy, **DRAWN)
    colors = augment.ColorJitter(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1)
    jittered = augment.jitter(images, recipe=colors, **DRAWN).permute(0, 2, 3, 1).numpy()
    expected = normalize(jittered, mean=recipe.pixels.mean, std=recipe.pixels.std)
    got, _ = augmented(BATCH, recipe, class_count=5, seed=1, epoch=2, device=CPU)
    assert np.array_equal(got.numpy(), expected)
    assert not np.array_equal(got.numpy(), plain().images.numpy())


def test_every_name_of_a_policy_has_one():
    assert tuple(POLICIES) == get_args(recipes.AugmentName)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("torchvision-v2", augment.TrivialAugmentWide(interpolation="bilinear")),
        ("timm-a3", augment.TimmRandAugment(magnitude=6, magnitude_std=0.5)),
    ],
)
def test_published_recipes_do_all_they_name(name, policy):
    recipe = dataclasses.replace(recipes.get(name), erasing=0.9)
    pixels = torch.from_numpy(BATCH.images).permute(0, 3, 1, 2)
    changed = augment.apply_policy(pixels, policy, **DRAWN).permute(0, 2, 3, 1).numpy()
    normalized = normalize(changed, mean=recipe.pixels.mean, std=recipe.pixels.std)
    images = augment.erase(
        torch.from_numpy(normalized), recipe=augment.Erasing(probability=0.9), **DRAWN
    )
    targets = augment.soft_targets(torch.from_numpy(BATCH.labels), 5)
    mix = augment.Mix(mixup_alpha=recipe.mixup, cutmix_alpha=1.0)
    expected = augment.mix(images, targets, recipe=mix, **DRAWN)
    got = augmented(BATCH, recipe, class_count=5, seed=1, epoch=2, device=CPU)
    for value, other in zip(got, expected, strict=True):
        assert torch.equal(value, other)
