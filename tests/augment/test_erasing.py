"""Erasing equals a written reference of torchvision's boxes, and torchvision's erase on them."""

import math
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from imnet_data.augment import Erasing, draw_erasing, erase
from imnet_data.rng import Stream, uniform

INDICES = np.array([40, 7, 1000, 3, 12, 5, 99])


def boxes(recipe: Erasing, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return draw_erasing(recipe, indices, seed=4, epoch=1, size=size)


def reference(recipe: Erasing, index: int, size: tuple[int, int]) -> list[int]:
    """Torchvision's make_params, and its chance, with our numbers."""

    def number(draw: int) -> float:
        return float(uniform(4, Stream.ERASE, 1, np.array([index]), draw=draw)[0])

    height, width = size
    if number(0) >= recipe.probability:
        return [0, 0, 0, 0]
    low, high = (math.log(ratio) for ratio in recipe.ratio)
    for attempt in range(10):
        area, ratio, upper, left = (number(2 + attempt * 4 + draw) for draw in range(4))
        area = height * width * (recipe.scale[0] + (recipe.scale[1] - recipe.scale[0]) * area)
        ratio = math.exp(low + (high - low) * ratio)
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < height and w < width:
            i, j = int(upper * (height - h + 1)), int(left * (width - w + 1))
            return [j, i, j + w, i + h]
    return [0, 0, 0, 0]


@pytest.mark.parametrize("size", [(224, 224), (33, 20), (5, 7), (1, 1)])
@pytest.mark.parametrize("recipe", [Erasing(), Erasing(scale=(0.4, 0.9), probability=1.0)])
def test_boxes_equal_the_reference(recipe: Erasing, size: tuple[int, int]) -> None:
    indices = np.arange(150)
    expected = [reference(recipe, index, size) for index in range(150)]
    assert boxes(recipe, indices, size).tolist() == expected
    if size != (1, 1):
        assert any(left < right for left, _, right, _ in expected)


def test_a_box_does_not_depend_on_the_others() -> None:
    whole = boxes(Erasing(), np.arange(300), (50, 60))
    some = np.array([250, 3, 77])
    assert (boxes(Erasing(), some, (50, 60)) == whole[some]).all()


def test_shares_of_area_and_of_images_are_met() -> None:
    drawn = boxes(Erasing(probability=0.3), np.arange(4000), (500, 500))
    areas = (drawn[:, 2] - drawn[:, 0]) * (drawn[:, 3] - drawn[:, 1]) / 500**2
    assert abs((areas > 0).mean() - 0.3) < 0.03
    erased = areas[areas > 0]
    assert 0.019 < erased.min() < 0.03
    assert 0.31 < erased.max() < 0.331
    assert abs(erased.mean() - (0.02 + 0.33) / 2) < 0.01
    assert not boxes(Erasing(probability=0), np.arange(4000), (500, 500)).any()
    assert boxes(Erasing(probability=1), np.arange(4000), (500, 500)).any(axis=1).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_pixels_equal_torchvisions_on_the_same_box(
    torchvision: ModuleType, images: Tensor, dtype: torch.dtype
) -> None:
    from torchvision.transforms.v2 import functional

    recipe = Erasing(probability=0.8, value=3)
    batch = images.to(dtype).contiguous(memory_format=torch.channels_last)
    before = batch.clone()
    ours = erase(batch, recipe=recipe, seed=4, epoch=1, indices=INDICES)
    drawn = boxes(recipe, INDICES, (20, 33))
    assert 3 <= drawn.any(axis=1).sum() < 7
    for image, got, (left, upper, right, lower) in zip(batch, ours, drawn.tolist(), strict=True):
        value = torch.tensor([3.0])[:, None, None]
        theirs = functional.erase(image, i=upper, j=left, h=lower - upper, w=right - left, v=value)
        assert torch.equal(got, theirs)
    assert ours.dtype == dtype
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch, before)


def test_noise_fills_the_box_and_nothing_else(images: Tensor) -> None:
    recipe = Erasing(mode="pixel", probability=0.8, scale=(0.3, 0.5))
    batch = (images.float() + 100).contiguous(memory_format=torch.channels_last)  # far from noise
    ours = erase(batch, recipe=recipe, seed=4, epoch=1, indices=INDICES)
    for image, got, box in zip(batch, ours, boxes(recipe, INDICES, (20, 33)), strict=True):
        left, upper, right, lower = box
        mask = torch.zeros(20, 33, dtype=torch.bool)
        mask[upper:lower, left:right] = True
        assert torch.equal(got[:, ~mask], image[:, ~mask])
        assert (got[:, mask].abs() < 5).all()
    assert ours.is_contiguous(memory_format=torch.channels_last)
    alone = erase(batch[2:5], recipe=recipe, seed=4, epoch=1, indices=INDICES[2:5])
    assert torch.equal(alone, ours[2:5])


def test_what_cannot_be_erased_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match="images are uint8; noise"):
        erase(images, recipe=Erasing(mode="pixel"), seed=0, epoch=0, indices=INDICES)
    with pytest.raises(ValueError, match=r"scale is 0, 0\.3; expected 0 < least"):
        Erasing(scale=(0, 0.3))
    with pytest.raises(ValueError, match="mode is 'rand'; allowed are const, pixel"):
        Erasing(mode="rand")  # type: ignore[arg-type]
