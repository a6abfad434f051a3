"""Colours of views equal Pillow's and torchvision's, and come as often as they are asked for."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from imnet_data.augment import ColorJitter, ViewColors, apply_view, color_view, draw_view
from imnet_data.augment.blur import gaussian_blur
from imnet_data.augment.color_jitter import JitterDraw
from imnet_data.augment.view_colors import ViewDraw, joined

JITTER = ColorJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
NONE = np.zeros(7)


def drawn(
    *,
    are_grey: object = NONE,
    sigmas: object = NONE,
    are_solarized: object = NONE,
) -> ViewDraw:
    unchanged = JitterDraw(np.tile([1.0, 1.0, 1.0, 0.0], (7, 1)), np.tile(np.arange(4), (7, 1)))
    return ViewDraw(
        unchanged,
        np.asarray(are_grey, bool),
        np.asarray(sigmas, np.float64),
        np.asarray(are_solarized, bool),
    )


def pillows(images: Tensor) -> list[Image.Image]:
    return [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]


def assert_equal(images: Tensor, expected: list[Image.Image]) -> None:
    assert len(images) == len(expected) > 0
    for image, other in zip(images, expected, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(other))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (20, 33), (64, 48)])
def test_the_blur_is_pillows(size: tuple[int, int]) -> None:
    random = np.random.default_rng(size)
    images = torch.from_numpy(random.integers(0, 256, (24, 3, *size), np.uint8))
    images[::3] = images[::3] // 64 * 64
    sigmas = np.concatenate([random.uniform(0.1, 2.0, 16), random.uniform(0, 12, 7), [0.0]])
    before = images.clone()
    blurred = gaussian_blur(images, sigmas)
    assert torch.equal(images, before)
    assert_equal(
        blurred,
        [
            image.filter(ImageFilter.GaussianBlur(sigma))
            for image, sigma in zip(pillows(images), sigmas.tolist(), strict=True)
        ],
    )


def test_greyscale_and_solarise_are_pillows_as_torchvision_uses_them(
    torchvision: ModuleType, images: Tensor
) -> None:
    from torchvision.transforms import functional

    some = [1, 0, 1, 0, 1, 0, 1]
    grey = [
        functional.rgb_to_grayscale(image, num_output_channels=3) if chosen else image
        for chosen, image in zip(some, pillows(images), strict=True)
    ]
    assert_equal(apply_view(images, drawn(are_grey=some)), grey)
    inverted = [
        ImageOps.solarize(image) if chosen else image
        for chosen, image in zip(some, pillows(images), strict=True)
    ]
    assert_equal(apply_view(images, drawn(are_solarized=some)), inverted)


def test_the_order_is_grey_then_blur_then_solarise(images: Tensor) -> None:
    draw = drawn(are_grey=NONE + 1, sigmas=NONE + 1.3, are_solarized=NONE + 1)
    expected = [
        ImageOps.solarize(image.convert("L").convert("RGB").filter(ImageFilter.GaussianBlur(1.3)))
        for image in pillows(images)
    ]
    assert_equal(apply_view(images, draw), expected)


def test_jitter_is_that_of_its_own_function_where_it_is_drawn(images: Tensor) -> None:
    from imnet_data.augment import jitter

    indices = np.arange(7) * 31
    always = ViewColors(jitter=JITTER)
    drawn_from: dict[str, Any] = {"seed": 3, "epoch": 1, "indices": indices}
    expected = jitter(images, recipe=JITTER, **drawn_from)
    assert torch.equal(color_view(images, recipe=always, **drawn_from), expected)
    sometimes = ViewColors(jitter=JITTER, jitter_probability=0.5)
    got = color_view(images, recipe=sometimes, **drawn_from)
    are_jittered = [not torch.equal(one, other) for one, other in zip(got, images, strict=True)]
    assert 0 < sum(are_jittered) < 7
    for chosen, one, other in zip(are_jittered, got, expected, strict=True):
        if chosen:
            assert torch.equal(one, other)


def test_probabilities_and_ranges_are_met() -> None:
    recipe = ViewColors(
        jitter=JITTER, jitter_probability=0.8, greyscale=0.2, blur=0.1, solarize=0.3
    )
    draw = draw_view(recipe, np.arange(5000), seed=0, epoch=0)
    are_jittered = (draw.jitter.factors != [1, 1, 1, 0]).any(axis=1)
    chances = [are_jittered, draw.are_grey, draw.sigmas > 0, draw.are_solarized]
    for chosen, expected in zip(chances, (0.8, 0.2, 0.1, 0.3), strict=True):
        assert abs(chosen.mean() - expected) < 0.02
    together = np.corrcoef(np.stack(chances).astype(float))
    assert np.abs(together - np.eye(4)).max() < 0.05
    sigmas = draw_view(ViewColors(blur=1.0), np.arange(5000), seed=0, epoch=0).sigmas
    assert 0.1 <= sigmas.min() < 0.11
    assert 1.99 < sigmas.max() < 2
    assert abs(sigmas.mean() - 1.05) < 0.03


def test_joined_draws_are_those_of_the_views_one_after_another() -> None:
    indices = np.arange(5)
    draws = [
        draw_view(ViewColors(jitter=JITTER, blur=blur), indices + 100 * view, seed=0, epoch=0)
        for view, blur in enumerate((0.0, 1.0))
    ]
    both = joined(draws)
    assert both.sigmas[:5].tolist() == [0] * 5
    assert (both.sigmas[5:] > 0).all()
    assert np.array_equal(both.jitter.factors[5:], draws[1].jitter.factors)
    assert np.array_equal(both.jitter.order[:5], draws[0].jitter.order)


def test_what_cannot_be_drawn_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"blur is 1\.5; allowed are 0 to 1"):
        ViewColors(blur=1.5)
    with pytest.raises(ValueError, match=r"blur_sigma is 0, 2; expected 0 < least"):
        ViewColors(blur_sigma=(0, 2))
    with pytest.raises(ValueError, match="expected uint8"):
        color_view(images.float(), recipe=ViewColors(), seed=0, epoch=0, indices=np.arange(7))
