import random

import numpy as np
import pytest
import simplejpeg
from baseline import random_jpeg, random_kind
from jpeg_images import by_pillow, cut, encoded, photo, random_box, stored_forms
from PIL import Image

from imnet_data import jpeg
from imnet_data.errors import ImageError, UnsupportedJpeg


def check(data, rng, about, *, boxes=1):
    """Whole and in boxes, a file has Pillow's pixels in all its forms; returns their number."""
    expected = by_pillow(data)
    height, width = expected.shape[:2]
    forms = stored_forms(data)
    for form in forms:
        assert np.array_equal(jpeg.decode(form), expected), (about, form[:6])
        for _ in range(boxes):
            box = random_box(rng, width, height)
            assert np.array_equal(jpeg.decode(form, box), cut(expected, box)), (
                about,
                form[:6],
                box,
            )
    return len(forms)


def check_random_kind(seed):
    rng = random.Random(seed)
    kind = random_kind(rng)
    return check(random_jpeg(kind, rng), rng, (seed, kind), boxes=2)


def check_encoded(seed):
    rng = random.Random(seed)
    width, height = rng.randint(1, 120), rng.randint(1, 100)
    options = {"quality": rng.randint(1, 100), "optimize": rng.random() < 0.5}
    if rng.random() < 0.5:
        options["restart_marker_blocks"] = rng.randint(1, 40)
    if rng.random() < 0.7:
        image = photo(width, height, seed=seed)
        options["subsampling"] = rng.randint(0, 2)
    else:
        image = photo(width, height, mode="L", seed=seed)
    return check(encoded(image, **options), rng, (seed, options))


@pytest.mark.parametrize("seed", range(0, 1000, 100))
def test_any_sampling_scan_and_table_decodes_as_by_pillow(seed, variant):
    assert sum(check_random_kind(number) for number in range(seed, seed + 25)) > 25 + 10


@pytest.mark.parametrize("seed", range(0, 1000, 100))
def test_what_an_encoder_writes_decodes_as_by_pillow(seed, variant):
    # all can be packed, and those without restarts of their own be made seekable
    assert sum(check_encoded(number) for number in range(seed, seed + 60)) > 60 + 60 + 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10_000, 20_000, 500))
def test_ten_thousand_images_decode_as_by_pillow(seed, variant):
    for number in range(seed, seed + 250):
        check_random_kind(number)
        check_encoded(number)


@pytest.mark.parametrize("sampling", ["444", "422", "420", "440", "411", "Gray"])
def test_every_size_up_to_twenty_decodes_as_by_pillow(sampling, variant):
    for side in range(1, 21):
        for width, height in {(side, 21 - side), (side, 1), (1, side), (side, 9)}:
            pixels = np.asarray(photo(width, height, seed=side))
            space = "GRAY" if sampling == "Gray" else "RGB"
            pixels = np.ascontiguousarray(pixels[..., :1] if space == "GRAY" else pixels)
            data = simplejpeg.encode_jpeg(pixels, colorspace=space, colorsubsampling=sampling)
            assert check(data, random.Random(side), (width, height)) == 3


@pytest.mark.slow
def test_large_images_decode_as_by_pillow(variant):
    for seed, subsampling in enumerate([0, 1, 2]):
        data = encoded(photo(2000, 1500, seed=seed), subsampling=subsampling, quality=95)
        assert check(data, random.Random(seed), subsampling) == 3


def test_sample_images_decode_as_by_pillow(samples, variant):
    assert sum(check(data, random.Random(name), name) for name, data in samples.items()) > 700


def test_tables_that_are_not_in_the_file_are_the_usual_ones():
    data = encoded(photo(40, 30))
    start = data.index(b"\xff\xc4")
    bare = data[:start] + data[data.index(b"\xff\xda") :]
    assert np.array_equal(jpeg.decode(bare), by_pillow(data))


def test_threads_do_not_disturb_each_other():
    from concurrent.futures import ThreadPoolExecutor

    files = [encoded(photo(30 + n, 40, seed=n), optimize=True) for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(jpeg.decode, files * 3))
    for data, image in zip(files * 3, images, strict=True):
        assert np.array_equal(image, by_pillow(data))


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 5), (5, 5, 4, 9), (-1, 0, 5, 5), (0, 0, 21, 5), (0, 0, 5, 11)]
)
def test_a_box_outside_of_the_image_is_the_callers_mistake(box):
    data = encoded(photo(20, 10))
    with pytest.raises(ValueError, match=r"it must not be empty, and lie within \(0, 0, 20, 10\)"):
        jpeg.decode(data, box)


def test_other_kinds_go_to_pillow_only_when_asked():
    data = encoded(photo(20, 10), progressive=True)
    with pytest.raises(UnsupportedJpeg, match="a JPEG for another decoder: progressive"):
        jpeg.decode(data)
    assert np.array_equal(jpeg.decode(data, other="pillow"), by_pillow(data))
    assert np.array_equal(
        jpeg.decode(data, (3, 2, 9, 8), other="pillow"), by_pillow(data)[2:8, 3:9]
    )
    with pytest.raises(ValueError, match="other is 'dali'; known: error, pillow"):
        jpeg.decode(data, other="dali")  # type: ignore[arg-type]


def test_cmyk_handed_to_pillow_is_pillows_rgb():
    data = encoded(Image.new("CMYK", (9, 7), (10, 200, 30, 40)))
    assert np.array_equal(jpeg.decode(data, other="pillow"), by_pillow(data))


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded():
    data = encoded(photo(20, 10))
    assert jpeg.decode(data, max_pixels=200).shape == (10, 20, 3)
    with pytest.raises(ImageError, match="more pixels than allowed"):
        jpeg.decode(data, max_pixels=199)
