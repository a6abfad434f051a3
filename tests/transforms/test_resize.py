import random

import numpy as np
import PIL
import pytest
from PIL import Image

from imnet_data.native import _native
from imnet_data.transforms import resize
from imnet_data.transforms.pixels import Filter

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
pillow_13 = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13,
    reason="Pillow before 13 resizes in another order; see imnet_data.transforms.pixels",
)


def by_pillow(pixels, size, box, filter):
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    resized = np.asarray(image.resize(size, RESAMPLING[filter], box=box))
    return resized.reshape(size[1], size[0], pixels.shape[2])


def side(draw):
    return draw.choice([draw.randint(1, 9), draw.randint(1, 80), draw.randint(80, 500)])


def span(draw, length):
    kind = draw.randrange(3)
    if kind == 0:
        return 0, length
    if kind == 1:
        start = draw.randrange(length)
        return start, draw.randint(start + 1, length)
    start = float(np.float32(draw.uniform(0, length - 0.5)))
    return start, float(min(np.float32(start + draw.uniform(0.1, length - start)), length))


@pillow_13
@pytest.mark.parametrize("seed", range(300))
def test_resize_gives_the_pixels_of_pillow(simd, noise, seed):
    draw = random.Random(seed)
    width, height, channels = side(draw), side(draw), draw.choice([3, 3, 1])
    pixels = noise(height, width, channels, seed=seed)
    size = (draw.choice([width, side(draw)]), draw.choice([height, side(draw)]))
    (left, right), (upper, lower) = span(draw, width), span(draw, height)
    box = (left, upper, right, lower)
    filter: Filter = draw.choice(["bilinear", "bicubic"])
    expected = by_pillow(pixels, size, box, filter)
    np.testing.assert_array_equal(resize(pixels, size, box=box, filter=filter), expected)

    window_left, window_upper = draw.randrange(size[0]), draw.randrange(size[1])
    window_right = draw.randint(window_left + 1, size[0])
    window_lower = draw.randint(window_upper + 1, size[1])
    window = (window_left, window_upper, window_right, window_lower)
    part = expected[window_upper:window_lower, window_left:window_right]
    made = resize(pixels, size, box=box, window=window, filter=filter, flip=True)
    np.testing.assert_array_equal(made, part[:, ::-1])


@pillow_13
@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
@pytest.mark.parametrize("width", range(1, 14))
def test_narrow_images_give_the_pixels_of_pillow(simd, noise, width, filter):
    for height in range(1, 14):
        pixels = noise(height, width, seed=height)
        for size in ((1, 1), (height, width), (7, 5), (40, 3), (3, 40)):
            expected = by_pillow(pixels, size, None, filter)
            np.testing.assert_array_equal(resize(pixels, size, filter=filter), expected)


@pillow_13
def test_large_images_give_the_pixels_of_pillow(simd, noise):
    for shape, size in (((3000, 2000), (224, 224)), ((1, 65535), (300, 2)), ((65535, 1), (2, 300))):
        pixels = noise(*shape, seed=1)
        for filter in ("bilinear", "bicubic"):
            expected = by_pillow(pixels, size, None, filter)
            np.testing.assert_array_equal(resize(pixels, size, filter=filter), expected)


@pillow_13
def test_columns_come_first_where_pillow_does_so(simd, noise):
    pixels = noise(100, 60, seed=1)
    for height in (79, 80, 81):  # of 100, with a width of 50 of 60: 2 * 10 rows is the limit
        expected = by_pillow(pixels, (50, height), None, "bilinear")
        np.testing.assert_array_equal(resize(pixels, (50, height)), expected)


def test_views_with_gaps_are_read_right(simd, noise):
    pixels = noise(90, 120, seed=1)
    for view in (pixels[10:60, 20:70], pixels[::2, ::3], pixels[::-1, ::-1], pixels[:, :, ::-1]):
        expected = resize(np.ascontiguousarray(view), (33, 44))
        np.testing.assert_array_equal(resize(view, (33, 44)), expected)


def test_grey_images_have_no_third_axis(simd, noise):
    pixels = noise(50, 40, 1, seed=1)
    made = resize(pixels[:, :, 0], (20, 30))
    np.testing.assert_array_equal(made, resize(pixels, (20, 30))[:, :, 0])
    assert made.shape == (30, 20)


def test_out_is_written_and_nothing_around_it(simd, noise):
    pixels = noise(90, 70, seed=1)
    for width in range(1, 45):
        frame = np.full((30, width + 9, 3), 77, np.uint8)
        out = frame[5:25, 4 : width + 4]
        assert resize(pixels, (width, 20), out=out) is out
        np.testing.assert_array_equal(out, resize(pixels, (width, 20)))
        frame[5:25, 4 : width + 4] = 77
        assert (frame == 77).all()


def test_wrong_arguments_say_what_is_allowed(noise):
    pixels = noise(20, 30)
    with pytest.raises(ValueError, match=r"filter is 'lanczos'; allowed are bilinear, bicubic"):
        resize(pixels, (10, 10), filter="lanczos")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"image is float64\[20, 30, 3\]; allowed are uint8"):
        resize(pixels.astype(float), (10, 10))
    with pytest.raises(ValueError, match=r"rows of 1 or 3 channels"):
        resize(np.zeros((5, 5, 4), np.uint8), (10, 10))
    with pytest.raises(ValueError, match=r"the result's width is 16777217; allowed are 1 to"):
        resize(pixels, (2**24 + 1, 10), window=(0, 0, 1, 1))
    for box in ((0, 0, 31, 20), (-1, 0, 30, 20), (5, 5, 5, 9), (0, 0, float("nan"), 20)):
        with pytest.raises(ValueError, match=r"box \(.*\) is empty or not inside"):
            resize(pixels, (10, 10), box=box)
    with pytest.raises(ValueError, match=r"window \(0, 0, 11, 10\) is empty or not inside"):
        resize(pixels, (10, 10), window=(0, 0, 11, 10))
    with pytest.raises(ValueError, match=r"is empty"):
        resize(pixels, (0, 10))
    with pytest.raises(ValueError, match=r"out is uint8\[10, 10, 1\]; expected uint8\[10, 10"):
        resize(pixels, (10, 10), out=np.empty((10, 10, 1), np.uint8))


def test_unknown_simd_names_what_this_machine_runs():
    with pytest.raises(ValueError, match=r"simd is 'mmx'; this machine runs: scalar"):
        _native.set_simd("mmx")
