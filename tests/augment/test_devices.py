"""All of it is the same on a GPU, and no generator of torch's or NumPy's is touched."""

import numpy as np
import pytest
import torch
from torch import Tensor

from imnet_data.augment import (
    AutoAugment,
    ColorJitter,
    Erasing,
    Mix,
    Policy,
    RandAugment,
    TimmRandAugment,
    TrivialAugmentWide,
    ViewColors,
    apply_policy,
    color_view,
    erase,
    jitter,
    mix,
    soft_targets,
)

INDICES = np.array([40, 7, 1000, 3, 12, 5, 99])
POLICIES: list[Policy] = [
    RandAugment(operation_count=3, interpolation="bilinear"),
    AutoAugment(),
    TrivialAugmentWide(),
    TimmRandAugment(magnitude_std=0.5, operation_count=4),
]


def everything(images: Tensor, labels: Tensor, epoch: int) -> list[Tensor]:
    """Return the results of each augmentation of a batch."""
    made = [
        apply_policy(images, policy, seed=0, epoch=epoch, indices=INDICES) for policy in POLICIES
    ]
    recipe = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2)
    made.append(jitter(images, recipe=recipe, seed=0, epoch=epoch, indices=INDICES))
    colors = ViewColors(
        jitter=recipe, jitter_probability=0.8, greyscale=0.3, blur=0.7, solarize=0.3
    )
    made.append(color_view(images, recipe=colors, seed=0, epoch=epoch, indices=INDICES))
    floats = images.float() - 99
    made += [
        erase(floats, recipe=erasing, seed=0, epoch=epoch, indices=INDICES)
        for erasing in (Erasing(), Erasing(mode="pixel"))
    ]
    targets = soft_targets(labels, 10, smoothing=0.1)
    mixing = Mix(mixup_alpha=0.2, cutmix_alpha=1.0, mode="elem")
    for batch in (images, floats):
        made += mix(batch, targets, recipe=mixing, seed=0, epoch=epoch, indices=INDICES)
    return made


def test_no_generator_is_touched(images: Tensor) -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()
    first = everything(images, torch.arange(7), 0)
    assert torch.equal(torch.get_rng_state(), torch_before)
    np.testing.assert_equal(np.random.get_state(), numpy_before)
    torch.manual_seed(4)
    again = everything(images, torch.arange(7), 0)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_the_host_looks_at_no_value(images: Tensor) -> None:
    """On a GPU it would wait for that; a tensor of the meta device has none to be looked at."""
    here = everything(images, torch.arange(7), 0)
    there = everything(images.to("meta"), torch.arange(7).to("meta"), 0)
    for one, other in zip(here, there, strict=True):
        assert other.is_meta
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device was found")
def test_a_gpu_gives_what_the_cpu_gives(images: Tensor) -> None:
    for epoch in range(20):
        here = everything(images, torch.arange(7), epoch)
        there = everything(images.cuda(), torch.arange(7).cuda(), epoch)
        for one, other in zip(here, there, strict=True):
            assert torch.equal(one, other.cpu())
