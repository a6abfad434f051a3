import dataclasses
import random

import numpy as np
import PIL
import pytest
from PIL import Image

from imnet_data.transforms import EvalRecipe, eval_geometry, eval_image, train_image

pytestmark = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13,
    reason="Pillow before 13 resizes in another order; see imnet_data.transforms.pixels",
)
RECIPES = [
    EvalRecipe(),
    EvalRecipe(resize=232, crop=224, filter="bicubic"),
    EvalRecipe(resize=40, crop=64),  # black is added
    EvalRecipe(resize=41, crop=64, filter="bicubic"),
    EvalRecipe(resize=64, crop=64),
    EvalRecipe.timm(input_size=96, crop_pct=0.9),
]


def interpolation(torchvision, filter):
    return torchvision.transforms.InterpolationMode(filter)


def by_torchvision(torchvision, image, recipe, crop):
    resized = torchvision.transforms.functional.resize(
        image, recipe.resize, interpolation(torchvision, recipe.filter)
    )
    return crop(resized, recipe.crop)


def sizes(count, least, most):
    draw = random.Random(count)
    return [(draw.randint(least, most), draw.randint(least, most)) for _ in range(count)]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_evaluation_gives_the_pixels_of_torchvision(torchvision, simd, noise, recipe):
    center_crop = torchvision.transforms.functional.center_crop
    some = [(500, 375), (375, 500), (256, 256), (1, 1), (1, 30), (64, 41), *sizes(12, 2, 500)]
    for width, height in some:
        pixels = noise(height, width, seed=width)
        image = Image.fromarray(pixels)
        expected = np.asarray(by_torchvision(torchvision, image, recipe, center_crop))
        np.testing.assert_array_equal(eval_image(pixels, recipe), expected)


@pytest.mark.parametrize("recipe", [RECIPES[0], RECIPES[1], RECIPES[4]], ids=str)
def test_ten_crops_are_torchvision_s(torchvision, noise, recipe):
    for width, height in [(500, 375), (301, 402), *sizes(4, 60, 500)]:
        pixels = noise(height, width, seed=width)
        crops = by_torchvision(
            torchvision,
            Image.fromarray(pixels),
            recipe,
            torchvision.transforms.functional.ten_crop,
        )
        for view, crop in enumerate(crops):
            made = eval_image(pixels, dataclasses.replace(recipe, view=view))
            np.testing.assert_array_equal(made, np.asarray(crop))


@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
def test_training_gives_the_pixels_of_torchvision(torchvision, simd, noise, filter):
    functional = torchvision.transforms.functional
    draw = random.Random(1)
    for width, height in sizes(25, 1, 500):
        pixels = noise(height, width, seed=width)
        left, upper = draw.randrange(width), draw.randrange(height)
        right, lower = draw.randint(left + 1, width), draw.randint(upper + 1, height)
        size = draw.choice([1, 32, 160, 224])
        cut = functional.resized_crop(
            Image.fromarray(pixels),
            *(upper, left, lower - upper, right - left),
            [size, size],
            interpolation(torchvision, filter),
        )
        box = (left, upper, right, lower)
        for flip in (False, True):
            expected = np.asarray(functional.hflip(cut) if flip else cut)
            made = train_image(pixels, box, size=size, flip=flip, filter=filter)
            np.testing.assert_array_equal(made, expected)


def test_geometry_of_many_images_is_that_of_each():
    widths, heights = np.array(sizes(200, 1, 3000)).T
    geometry = eval_geometry(widths, heights, recipe=EvalRecipe())
    for index in range(200):
        one = eval_geometry(widths[[index]], heights[[index]], recipe=EvalRecipe())
        for all_rows, row in zip(geometry, one, strict=True):
            np.testing.assert_array_equal(all_rows[index], row[0])


def test_geometry_of_a_usual_photograph():
    geometry = eval_geometry(np.array([500]), np.array([375]), recipe=EvalRecipe())
    assert geometry.sizes.tolist() == [[341, 256]]
    assert geometry.windows.tolist() == [[58, 16, 282, 240]]
    assert geometry.places.tolist() == [[0, 0]]
