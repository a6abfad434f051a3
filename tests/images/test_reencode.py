import hashlib
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, features

from imnet_data.errors import ImageError
from imnet_data.images.reencode import decode, resize_to, to_jpeg, to_pixels


def pattern(height, width):
    """RGB pixels that need no floating point: waves and a ramp."""
    y, x = np.mgrid[:height, :width]
    red, green = (x * 7 + y * 3) % 256, (x * y) % 256
    return np.stack([red, green, (x + y) % 256], axis=2).astype(np.uint8)


def encoded(pixels, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


def test_pixels_are_those_of_pillow():
    for options in ({"subsampling": 0}, {"subsampling": 2}, {"progressive": True}):
        jpeg = encoded(pattern(37, 53), quality=80, **options)
        pixels = to_pixels(jpeg)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, np.asarray(opened(jpeg)))


def test_grey_is_the_same_in_all_three_channels():
    grey = pattern(20, 30)[..., 0]
    pixels = to_pixels(encoded(grey, quality=90))
    assert pixels.shape == (20, 30, 3)
    assert (pixels == pixels[..., :1]).all()
    assert decode(encoded(grey)).mode == "L"


def test_exif_orientation_is_ignored_and_damaged_exif_makes_no_warning():
    pixels = pattern(24, 40)
    plain = encoded(pixels, quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(pixels, quality=90, exif=exif)
    damaged = encoded(pixels, quality=90, exif=exif.tobytes()[:-9] + b"\xff\xda\xff\xd9")
    for jpeg in (turned, damaged):
        assert np.array_equal(to_pixels(jpeg), to_pixels(plain))
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        opened(damaged).getexif()


# inks of a colour: 30 % cyan, 60 % magenta, 0 % yellow, 20 % black, of 255
INKS = (77, 153, 0, 51)
RGB = (178 * 204 // 255, 102 * 204 // 255, 255 * 204 // 255)


def cmyk_jpeg(*, adobe):
    """A plain CMYK JPEG of INKS: inverted under Adobe's marker, as inks without it."""
    values = INKS if adobe else tuple(255 - ink for ink in INKS)
    file = io.BytesIO()
    # Pillow stores the inverse of what it is given
    Image.new("CMYK", (16, 16), values).save(file, "JPEG", quality=100)
    jpeg = file.getvalue()
    start = jpeg.index(b"\xff\xee\x00\x0eAdobe")
    return jpeg if adobe else jpeg[:start] + jpeg[start + 16 :]


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_of_a_known_colour_becomes_that_colour(adobe):
    pixels = to_pixels(cmyk_jpeg(adobe=adobe))
    assert np.abs(pixels.astype(int) - RGB).max() <= 1


def ycck_jpeg():
    """A YCCK JPEG of INKS: Adobe's transform 2, and YCC in place of the first three inks."""
    stored = [255 - ink for ink in INKS]
    ycc = Image.new("RGB", (1, 1), tuple(255 - value for value in stored[:3])).convert("YCbCr")
    # CMY is stored as the YCC of its complement; Pillow inverts again what it is given
    values = tuple(255 - value for value in (*np.asarray(ycc)[0, 0].tolist(), stored[3]))
    file = io.BytesIO()
    Image.new("CMYK", (16, 16), values).save(file, "JPEG", quality=100)
    jpeg = bytearray(file.getvalue())
    jpeg[jpeg.index(b"\xff\xee\x00\x0eAdobe") + 15] = 2
    return bytes(jpeg)


def test_ycck_of_a_known_colour_becomes_that_colour():
    pixels = to_pixels(ycck_jpeg())
    assert np.abs(pixels.astype(int) - RGB).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_other_kinds_of_image_are_decoded(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels = pattern(9, 13)
    data = encoded(pixels, kind, **options)
    expected = np.asarray(opened(data).convert("RGB"))
    assert np.array_equal(to_pixels(data), expected)


def test_pixels_that_do_not_fit_are_refused_not_cut():
    deep = encoded(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000, "PNG")
    with pytest.raises(ImageError, match=r"pixels of mode I.*, which do not fit into RGB"):
        to_pixels(deep)


@pytest.mark.parametrize("keep", [0, 1, 2, 30, 200, -30])
def test_what_cannot_be_decoded_is_an_image_error(keep):
    for data in (encoded(pattern(32, 32)), encoded(pattern(32, 32), "PNG")):
        with pytest.raises(ImageError, match="cannot be decoded"):
            to_pixels(data[:keep])


def test_a_large_jpeg_makes_no_warning():
    large = encoded(np.zeros((9_500, 9_500), np.uint8), quality=30)
    assert decode(large).size == (9_500, 9_500)


def test_a_png_that_claims_too_many_pixels_is_an_image_error():
    png = bytearray(encoded(pattern(8, 8), "PNG"))
    png[16:24] = struct.pack(">II", 65_535, 65_535)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(ImageError, match="exceeds limit"):
        to_pixels(bytes(png))


def test_resizing_gives_back_the_very_bytes_of_an_image_that_is_small_enough():
    jpeg = encoded(pattern(60, 90))
    assert resize_to(jpeg, max_side=90, quality=90) is jpeg
    assert resize_to(jpeg, short_side=60, quality=90) is jpeg
    assert resize_to(jpeg, max_side=500, short_side=256, quality=90) is jpeg


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        ({"max_side": 45}, (45, 30)),
        ({"short_side": 20}, (30, 20)),
        ({"max_side": 45, "short_side": 20}, (30, 20)),
        ({"max_side": 30, "short_side": 59}, (30, 20)),
        ({"max_side": 50}, (50, 33)),
        ({"max_side": 1}, (1, 1)),
    ],
)
def test_both_limits_hold_and_the_shape_is_kept(limits, size):
    small = resize_to(encoded(pattern(60, 90)), quality=90, **limits)
    assert opened(small).size == size


def test_a_resized_image_is_pillows_bicubic_in_444_and_grey_stays_grey():
    jpeg = encoded(pattern(60, 90), quality=95, subsampling=2)
    small = opened(resize_to(jpeg, max_side=45, quality=100))
    assert [layer[1:3] for layer in small.layer] == [(1, 1)] * 3
    expected = opened(jpeg).resize((45, 30), Image.Resampling.BICUBIC)
    difference = np.asarray(small).astype(int) - np.asarray(expected)
    assert np.abs(difference).mean() < 1
    assert opened(resize_to(encoded(pattern(60, 90)[..., 0]), max_side=45, quality=90)).mode == "L"


def test_the_new_file_has_no_metadata():
    jpeg = encoded(
        pattern(60, 90), comment=b"made by hand", exif=Image.Exif().tobytes(), dpi=(9, 9)
    )
    small = opened(resize_to(jpeg, max_side=45, quality=90))
    assert set(small.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_encoded_bytes_are_golden():
    if features.version("libjpeg_turbo") is None:
        pytest.skip("another JPEG library encodes to other bytes")
    jpeg = to_jpeg(Image.fromarray(pattern(60, 90)), quality=100)
    assert hashlib.sha256(jpeg).hexdigest()[:16] == "52ea86e3de301448"
    jpeg = resize_to(jpeg, max_side=45, quality=90)
    assert hashlib.sha256(jpeg).hexdigest()[:16] == "b922c66c14eeab00"


def test_noise_of_any_size_is_encoded():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert len(to_jpeg(Image.fromarray(noise), quality=100)) > 300 * 400 * 2


def test_threads_give_the_same_pixels():
    jpeg = encoded(pattern(100, 150))
    expected = to_pixels(jpeg)
    with ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(pixels, expected) for pixels in pool.map(to_pixels, [jpeg] * 64))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quality": 90}, "neither max_side nor short_side nor square is given"),
        ({"max_side": 0, "quality": 90}, "max_side is 0; allowed: 1 or more"),
        ({"short_side": -3, "quality": 90}, "short_side is -3; allowed: 1 or more"),
        ({"max_side": 9, "quality": 101}, "quality is 101; allowed: 1 to 100"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        resize_to(encoded(pattern(8, 8)), **arguments)
