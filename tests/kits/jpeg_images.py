"""Images and boxes for the JPEG tests, and what Pillow makes of them."""

import io

import numpy as np
from PIL import Image, ImageFile

from imnet_data import jpeg
from imnet_data.errors import NotPackable, NotSeekable

PILLOW_RAISES = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def by_pillow(data):
    """Pillow's pixels of a JPEG: uint8[height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def stored_forms(data):
    """Return a JPEG as it may be stored: as it is, then seekable and packed where it can be."""
    forms = [data]
    for rewrite in (jpeg.seekable, jpeg.pack):
        try:
            forms.append(rewrite(data))
        except (NotSeekable, NotPackable):
            continue
    return forms


def pillow_or_none(image):
    """Pillow's pixels of any file, None where it makes none.

    A JPEG that ends early is filled as with LOAD_TRUNCATED_IMAGES, unless no row comes of it.
    """
    try:
        return by_pillow(image)
    except PILLOW_RAISES as error:
        if "image file is truncated" not in str(error) or not image.startswith(b"\xff\xd8"):
            return None
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        pixels = by_pillow(image)
    except PILLOW_RAISES:
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    return pixels if pixels.any() else None


def photo(width, height, *, mode="RGB", seed=0):
    """Smooth shapes with some noise, so that all kinds of blocks come up."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (max(2, height // 12), max(2, width // 12), 3), np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    noise = generator.integers(-12, 13, smooth.shape) * generator.integers(0, 2, (height, 1, 1))
    pixels = np.clip(smooth.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def stripes(width, height, *, phase=0):
    """Vertical stripes, red and blue, of four pixels each.

    Stored with 4:2:0 they differ by 21 levels on average where a decoder repeats samples of chroma
    and does not interpolate them ("fancy upsampling"). Photographs differ by 0.16.
    """
    is_red = (np.arange(width) + phase) // 4 % 2 == 0
    row = np.where(is_red[:, None], (255, 0, 0), (0, 0, 255)).astype(np.uint8)
    return Image.fromarray(np.repeat(row[None], height, axis=0))


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def random_box(rng, width, height):
    left, upper = rng.randrange(width), rng.randrange(height)
    return left, upper, rng.randint(left + 1, width), rng.randint(upper + 1, height)


def cut(pixels, box):
    left, upper, right, lower = box
    return pixels[upper:lower, left:right]


def kinds_of_jpeg(side):
    """JPEGs by name, and whether all decoders read them alike."""
    image = photo(side, side, seed=5)
    plain = encoded(image, subsampling=0)
    at = plain.index(b"\xff\xc0")
    named_rgb = bytearray(plain)
    for component, name in enumerate(b"RGB"):
        named_rgb[at + 10 + 3 * component] = name
        scan = plain.index(b"\xff\xda")
        named_rgb[scan + 5 + 2 * component] = name
    jfif = slice(2, 4 + int.from_bytes(plain[4:6]))
    assert plain[6:10] == b"JFIF"
    del named_rgb[jfif]  # with it, components would be Y, Cb and Cr whatever their names
    return {
        "4:4:4": (plain, True),
        "4:2:2": (encoded(image, subsampling=1), True),
        "4:2:0": (encoded(image, subsampling=2), True),
        "grey": (encoded(image.convert("L")), True),
        "progressive": (encoded(image, progressive=True), True),
        "Exif alone": (plain[:2] + plain[jfif.stop :], True),
        "RGB by Adobe": (encoded(image, keep_rgb=True), False),
        "RGB by names": (bytes(named_rgb), False),
        "CMYK": (encoded(image.convert("CMYK")), False),
        "CMYK, progressive": (encoded(image.convert("CMYK"), progressive=True), False),
    }
