"""Colour jitter equals torchvision's operations on Pillow's images, in the order drawn."""

from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from imnet_data.augment import ColorJitter, apply_jitter, draw_jitter, jitter

RECIPE = ColorJitter(brightness=0.4, contrast=0.4, saturation=1.2, hue=0.1)
INDICES = np.array([40, 7, 1000, 3, 12, 5, 99])


def test_pixels_equal_torchvisions_with_the_same_factors(
    torchvision: ModuleType, images: Tensor
) -> None:
    functional = torchvision.transforms.functional
    operations = [
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    ]
    ours = jitter(images, recipe=RECIPE, seed=0, epoch=3, indices=INDICES)
    draw = draw_jitter(RECIPE, INDICES, seed=0, epoch=3)
    for image, got, factors, order in zip(images, ours, draw.factors, draw.order, strict=True):
        theirs = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        for number in order:
            theirs = operations[number](theirs, float(factors[number]))
        assert torch.equal(got, torch.from_numpy(np.array(theirs)).permute(2, 0, 1))


def test_factors_and_orders_are_drawn_evenly() -> None:
    draw = draw_jitter(RECIPE, np.arange(4800), seed=0, epoch=0)
    low, high = draw.factors.min(axis=0), draw.factors.max(axis=0)
    np.testing.assert_allclose(low, [0.6, 0.6, 0, -0.1], atol=0.002)
    np.testing.assert_allclose(high, [1.4, 1.4, 2.2, 0.1], atol=0.002)
    np.testing.assert_allclose(draw.factors.mean(axis=0), [1, 1, 1.1, 0], atol=0.03)
    orders, counts = np.unique(draw.order, axis=0, return_counts=True)
    assert len(orders) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 49.7  # p 0.001


def test_an_image_depends_on_its_index_alone(images: Tensor) -> None:
    before = images.clone()
    whole = jitter(images, recipe=RECIPE, seed=1, epoch=2, indices=INDICES)
    some = jitter(images[2:5], recipe=RECIPE, seed=1, epoch=2, indices=INDICES[2:5])
    assert torch.equal(some, whole[2:5])
    assert torch.equal(images, before)


def test_what_is_off_is_left_out(images: Tensor) -> None:
    for recipe in (ColorJitter(), ColorJitter(hue=0.0, saturation=0.0)):
        assert torch.equal(jitter(images, recipe=recipe, seed=0, epoch=0, indices=INDICES), images)
    draw = draw_jitter(ColorJitter(hue=0.5), INDICES, seed=0, epoch=0)
    assert (draw.factors[:, :3] == 1).all()
    assert not torch.equal(apply_jitter(images, draw), images)


def test_what_cannot_be_jittered_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"hue is 0\.6; allowed are 0 to 0\.5"):
        ColorJitter(hue=0.6)
    with pytest.raises(ValueError, match="contrast is -1; allowed are 0 and more"):
        ColorJitter(contrast=-1)
    with pytest.raises(ValueError, match="expected uint8"):
        jitter(images.float(), recipe=RECIPE, seed=0, epoch=0, indices=INDICES)
