"""What a recipe does to a batch, held against the functions that do it, in their order."""

import dataclasses

import numpy as np
import pytest
import torch

from imnet_data import augment
from imnet_data.loaders.batch import Batch
from imnet_data.train import batches, recipes
from imnet_data.train.augmentation import augmented

CPU = torch.device("cpu")
BATCH = Batch(
    np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), np.uint8),
    np.array([0, 1, 2, 3, 4, 4]),
    np.array([50, 3, 11, 7, 8, 99]),
)


def run(recipe):
    return augmented(BATCH, recipe, class_count=5, seed=1, epoch=2, device=CPU)


def test_a_plain_recipe_gives_normalized_pixels_and_labels():
    images, targets = run(recipes.get("torchvision-v1"))
    assert torch.equal(
        images, batches.normalized(batches.to_device(BATCH, CPU), recipes.get("demo").pixels)
    )
    assert targets.tolist() == BATCH.labels.tolist()


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("torchvision-v2", augment.TrivialAugmentWide(interpolation="bilinear")),
        ("timm-a3", augment.TimmRandAugment(magnitude=6, magnitude_std=0.5)),
    ],
)
def test_published_recipes_do_all_they_name(name, policy):
    recipe = dataclasses.replace(recipes.get(name), erasing=0.9)
    drawn = {"seed": 1, "epoch": 2, "indices": BATCH.indices}
    images = augment.apply_policy(batches.to_device(BATCH, CPU), policy, **drawn)
    images = batches.normalized(images, recipe.pixels)
    images = augment.erase(images, recipe=augment.Erasing(probability=0.9), **drawn)
    targets = augment.soft_targets(torch.from_numpy(BATCH.labels), 5)
    mix = augment.Mix(mixup_alpha=recipe.mixup, cutmix_alpha=1.0)
    expected = augment.mix(images, targets, recipe=mix, **drawn)
    for value, other in zip(run(recipe), expected, strict=True):
        assert torch.equal(value, other)
