import math
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imnet_data.transforms import TrainRecipe, train_boxes
from imnet_data.transforms.boxes import _exp, _log

RECIPE = TrainRecipe()
GOLDEN_BOXES = [[230, 155, 388, 331], [9, 181, 295, 488], [0, 186, 20, 213], [1800, 0, 2200, 300]]
GOLDEN_FLIPS = [False, True, False, True]


def boxes_of(widths, heights, *, recipe=RECIPE, seed=0, epoch=0):
    widths, heights = np.array(widths), np.array(heights)
    return train_boxes(
        widths, heights, np.arange(len(widths)), recipe=recipe, seed=seed, epoch=epoch
    )


def test_boxes_and_flips_never_change():
    widths, heights = np.array([500, 375, 20, 4000]), np.array([375, 500, 400, 300])
    indices = np.array([0, 817, 2**40, 3])
    boxes, flips = train_boxes(widths, heights, indices, recipe=RECIPE, seed=7, epoch=3)
    assert boxes.tolist() == GOLDEN_BOXES
    assert flips.tolist() == GOLDEN_FLIPS
    assert boxes.dtype == np.int32
    assert flips.dtype == np.bool_


def test_a_box_depends_on_its_own_index_alone():
    draw = np.random.default_rng(0)
    widths, heights = draw.integers(1, 900, 500), draw.integers(1, 900, 500)
    indices = draw.permutation(1_281_167)[:500]
    boxes, flips = train_boxes(widths, heights, indices, recipe=RECIPE, seed=1, epoch=2)
    for part in (slice(0, 1), slice(17, 130), slice(None, None, -3)):
        some, some_flips = train_boxes(
            widths[part], heights[part], indices[part], recipe=RECIPE, seed=1, epoch=2
        )
        np.testing.assert_array_equal(some, boxes[part])
        np.testing.assert_array_equal(some_flips, flips[part])


def test_epochs_and_seeds_give_other_boxes():
    widths = heights = np.full(200, 400)
    first, first_flips = boxes_of(widths, heights)
    for seed, epoch in ((0, 1), (1, 0)):
        other, other_flips = boxes_of(widths, heights, seed=seed, epoch=epoch)
        assert (first != other).any(axis=1).mean() > 0.98
        assert 0.3 < (first_flips != other_flips).mean() < 0.7


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(1, 65535),
    height=st.integers(1, 65535),
    index=st.integers(0, 2**40),
    scale=st.tuples(st.floats(0.001, 2), st.floats(0, 2)),
    ratio=st.tuples(st.floats(0.05, 4), st.floats(0, 4)),
)
def test_boxes_lie_within_the_image(width, height, index, scale, ratio):
    recipe = TrainRecipe(
        scale=(scale[0], scale[0] + scale[1]), ratio=(ratio[0], ratio[0] + ratio[1])
    )
    boxes, _ = train_boxes(
        np.array([width]), np.array([height]), np.array([index]), recipe=recipe, seed=0, epoch=0
    )
    left, upper, right, lower = boxes[0].tolist()
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height


def test_no_images_have_no_boxes():
    boxes, flips = boxes_of([], [])
    assert boxes.shape == (0, 4)
    assert flips.shape == (0,)


def test_the_central_fallback_is_torchvision_s(torchvision):
    recipe = TrainRecipe(scale=(1.5, 2.0))  # larger than any image: no try can fit
    crop = torchvision.transforms.RandomResizedCrop
    draw = random.Random(0)
    sizes = [(draw.randint(1, 900), draw.randint(1, 900)) for _ in range(200)]
    boxes, _ = boxes_of(*zip(*sizes, strict=True), recipe=recipe)
    for (width, height), box in zip(sizes, boxes.tolist(), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            upper, left, rows, columns = crop.get_params(
                Image.new("L", (width, height)), list(recipe.scale), list(recipe.ratio)
            )
        assert box == [left, upper, left + columns, upper + rows]


@pytest.mark.parametrize("size", [(500, 375), (300, 900)])
def test_boxes_are_distributed_as_torchvision_s(torchvision, size):
    import torch
    from scipy import stats

    count = 4000
    image = Image.new("L", size)
    torch.manual_seed(0)
    theirs = np.array(
        [
            torchvision.transforms.RandomResizedCrop.get_params(
                image, list(RECIPE.scale), list(RECIPE.ratio)
            )
            for _ in range(count)
        ]
    )
    boxes, _ = boxes_of(np.full(count, size[0]), np.full(count, size[1]))
    left, upper, right, lower = boxes.T
    ours = np.stack([upper, left, lower - upper, right - left], axis=1)
    for measure in (
        lambda box: box[:, 2] * box[:, 3],  # area
        lambda box: box[:, 3] / box[:, 2],  # ratio
        lambda box: box[:, 0] / np.maximum(size[1] - box[:, 2], 1),  # place
        lambda box: box[:, 1] / np.maximum(size[0] - box[:, 3], 1),
    ):
        assert stats.ks_2samp(measure(ours), measure(theirs)).pvalue > 0.001


@pytest.mark.parametrize("flip", [0.0, 0.25, 0.5, 1.0])
def test_flips_come_as_often_as_asked(flip):
    sides = np.full(10_000, 100)
    _, flips = boxes_of(sides, sides, recipe=TrainRecipe(flip=flip))
    assert abs(flips.mean() - flip) < (0.02 if 0 < flip < 1 else 1e-9)


def test_exp_and_log_are_right_to_the_last_bits():
    values = np.linspace(-5, 5, 10_001)
    exact = np.array([math.exp(value) for value in values])
    assert (np.abs(_exp(values) / exact - 1) < 4.5e-16).all()
    for value in np.linspace(0.05, 20, 1001).tolist():
        assert abs(_log(value) - math.log(value)) < 1e-15
    assert _log(1.0) == 0.0
