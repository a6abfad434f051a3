import hashlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, features

from imnet_data.errors import ImageError
from imnet_data.images import fixups
from imnet_data.images.fixups import apply, problem_of
from imnet_data.images.reencode import to_pixels
from imnet_data.jpeg import Examination, Verdict, decode, examine
from imnet_data.record import Box, Record

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "imagenet_sample"


def pattern(height, width):
    y, x = np.mgrid[:height, :width]
    red, green = (x * 7 + y * 3) % 256, (x * y) % 256
    return np.stack([red, green, (x + y) % 256], axis=2).astype(np.uint8)


def encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


RGB = Image.fromarray(pattern(48, 64))
GOOD = encoded(RGB, quality=90)
CMYK = encoded(RGB.convert("CMYK"), quality=95)
PNG = encoded(RGB, "PNG")
SOUND = Examination(Verdict.PLAIN, "", 64, 48, 3, "")


def record(jpeg, key="n01440764_10026"):
    return Record(key, "n01440764", jpeg, (Box(1, 2, 3, 4),))


def jpeg_of(outcome):
    assert outcome.record is not None
    return outcome.record.jpeg


def with_size(jpeg, *, height, width):
    """Claim another size in the frame header."""
    start = jpeg.index(b"\xff\xc0")
    return jpeg[: start + 5] + struct.pack(">HH", height, width) + jpeg[start + 9 :]


def with_frame(jpeg, marker):
    start = jpeg.index(b"\xff\xc0")
    return jpeg[:start] + bytes([0xFF, marker]) + jpeg[start + 2 :]


def with_segment(jpeg, marker, payload):
    return (
        jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]
    )


def ycck():
    jpeg = bytearray(CMYK)
    jpeg[jpeg.index(b"\xff\xee\x00\x0eAdobe") + 15] = 2
    return bytes(jpeg)


@pytest.mark.parametrize(
    "jpeg",
    [
        GOOD,
        encoded(RGB, progressive=True),
        encoded(RGB, subsampling=2, optimize=True),
        encoded(RGB.convert("L")),
        encoded(RGB, restart_marker_blocks=1),
        GOOD + b"bytes after the end",
        with_segment(GOOD, 0xE1, b"Exif\0\0broken"),
        GOOD[:2] + b"\xff\xff" + GOOD[2:],
    ],
    ids=["baseline", "progressive", "420", "grey", "restarts", "tail", "broken exif", "fill bytes"],
)
def test_sound_jpegs_are_passed_on_untouched(jpeg):
    found = examine(jpeg)
    assert problem_of(jpeg, found) == ""
    before = record(jpeg)
    for policy in fixups.POLICIES:
        outcome = apply(before, policy)
        plain = found.verdict is Verdict.PLAIN
        assert tuple(outcome) == (before, 64, 48, "", "" if plain else found.verdict)
        assert outcome.record is before


DAMAGED = GOOD[:-500] + b"\xff\xd9"
JUNK = GOOD[:20] + b"\0\0" + GOOD[20:]
REFUSED = with_segment(GOOD, 0xE2, b"ICC_PROFILE\0")


@pytest.mark.parametrize(
    ("jpeg", "problem"),
    [
        (PNG, "png"),
        (encoded(RGB, "GIF"), "gif"),
        (encoded(RGB, "BMP"), "bmp"),
        (encoded(RGB, "WEBP"), "webp"),
        (encoded(RGB, "TIFF"), "tiff"),
        (CMYK, "cmyk"),
        (ycck(), "ycck"),
        (GOOD[:-2], "truncated"),
        (GOOD[:-1], "truncated"),
        (with_segment(GOOD[:-2], 0xE1, b"Exif\0\0"), "truncated"),
        (DAMAGED, "damaged"),
        (JUNK, "structure"),
        (REFUSED, "structure"),
        (with_size(GOOD, height=65_535, width=65_535), "undecodable"),
        (PNG[:16] + b"\0\0\xff\xff\0\0\xff\xff" + PNG[24:], "undecodable"),
        (PNG[:-100], "undecodable"),
        (with_size(GOOD, height=0, width=64), "undecodable"),
        (with_frame(GOOD, 0xC3), "undecodable"),
        (GOOD[:40], "undecodable"),
        (GOOD[:2], "undecodable"),
        (GOOD[: GOOD.index(b"\xff\xda")], "undecodable"),
        (b"", "undecodable"),
        (b"<html>404</html>", "undecodable"),
    ],
)
def test_each_problem_is_found_by_its_bytes(jpeg, problem):
    assert problem_of(jpeg, examine(jpeg)) == problem


def test_any_prefix_of_a_jpeg_is_found_bad_and_is_fixed_or_refused():
    fixed = 0
    for nbytes in range(len(GOOD)):
        cut = GOOD[:nbytes]
        assert examine(cut).verdict in (Verdict.DAMAGED, Verdict.UNDECODABLE)
        try:
            outcome = apply(record(cut), "fix")
        except ImageError:
            assert nbytes < GOOD.index(b"\xff\xda") + 14
        else:
            assert outcome.fix == "truncated-filled"
            assert examine(jpeg_of(outcome)) == SOUND
            fixed += 1
    assert fixed > len(GOOD) // 2


def test_any_changed_header_byte_is_examined_without_an_error():
    for position in range(GOOD.index(b"\xff\xda") + 14):
        for value in (0, 0xFF, GOOD[position] ^ 0x55):
            examine(GOOD[:position] + bytes([value]) + GOOD[position + 1 :])


def test_a_png_becomes_a_jpeg_of_nearly_the_same_pixels():
    outcome = apply(record(PNG), "fix")
    assert outcome[1:] == (64, 48, "png-to-jpeg", "")
    assert outcome.record == record(jpeg_of(outcome))
    image = Image.open(io.BytesIO(jpeg_of(outcome)))
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
    difference = np.asarray(image).astype(int) - np.asarray(RGB)
    assert np.abs(difference).max() <= 5


@pytest.mark.parametrize(
    ("jpeg", "fix"),
    [
        (CMYK, "cmyk-to-rgb"),
        (ycck(), "ycck-to-rgb"),
        (encoded(RGB, "GIF"), "gif-to-jpeg"),
        (encoded(RGB, "BMP"), "bmp-to-jpeg"),
        (encoded(RGB, "WEBP"), "webp-to-jpeg"),
        (encoded(RGB, "TIFF"), "tiff-to-jpeg"),
        (GOOD[:-500], "truncated-filled"),
        (DAMAGED, "damaged-filled"),
        (JUNK, "structure-to-baseline"),
        (REFUSED, "structure-to-baseline"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_fixed_is_a_sound_jpeg_of_the_pixels_and_says_what_was_done(jpeg, fix):
    outcome = apply(record(jpeg), "fix")
    assert outcome[1:] == (64, 48, fix, "")
    assert examine(jpeg_of(outcome)) == SOUND
    source = {"truncated-filled": jpeg + b"\xff\xd9", "structure-to-baseline": GOOD}.get(fix, jpeg)
    difference = to_pixels(jpeg_of(outcome)).astype(int) - to_pixels(source)
    assert np.abs(difference).max() <= 5


def test_a_truncated_image_keeps_the_rows_that_are_there():
    image = Image.fromarray(pattern(160, 64))
    jpeg = encoded(image, quality=95, subsampling=0)
    fixed = to_pixels(jpeg_of(apply(record(jpeg[: len(jpeg) // 2]), "fix")))
    whole = to_pixels(jpeg)
    assert np.abs(fixed[:56].astype(int) - whole[:56]).max() <= 5
    assert np.ptp(fixed[-8:].astype(int), axis=(0, 1)).max() <= 3  # filled with one colour


def test_a_grey_image_stays_grey_when_it_is_fixed():
    jpeg = encoded(RGB.convert("L"), quality=95)
    fixed = jpeg_of(apply(record(jpeg[:-30]), "fix"))
    assert Image.open(io.BytesIO(fixed)).mode == "L"


def test_skip_leaves_the_record_out_and_keep_passes_its_bytes_on():
    skipped = (None, 64, 48, "skipped: cmyk", Verdict.OTHER_DECODER)
    assert apply(record(CMYK), "skip") == skipped
    assert apply(record(CMYK), "keep") == (record(CMYK), 64, 48, "kept: cmyk", skipped[-1])
    kept = (record(b"?"), 0, 0, "kept: undecodable", Verdict.UNDECODABLE)
    assert apply(record(b"?"), "keep") == kept


@pytest.mark.parametrize(
    ("jpeg", "message"),
    [
        (CMYK, "n01440764_10026 is a CMYK JPEG$"),
        (PNG, "n01440764_10026 is a PNG, not a JPEG$"),
        (GOOD[:-2], "n01440764_10026 is cut short: it has no end-of-image marker$"),
    ],
)
def test_the_policy_error_names_the_record_and_the_problem(jpeg, message):
    with pytest.raises(ImageError, match=message):
        apply(record(jpeg), "error")


@pytest.mark.parametrize(
    ("jpeg", "reason"),
    [
        (with_size(GOOD, height=65_535, width=65_535), "more than 178,956,970 pixels"),
        (with_size(GOOD, height=0, width=64), "width or height is 0 at byte"),
        (GOOD[:100], "header ends early at byte 100"),
        (b"<html>404</html>", "it is a html, not a JPEG"),
        (b"", "it is empty"),
    ],
)
def test_what_cannot_be_fixed_is_one_clear_error(jpeg, reason):
    message = f"^n01440764_10026 cannot be decoded: {reason}"
    with pytest.raises(ImageError, match=message):
        apply(record(jpeg), "fix")


def test_a_png_that_cannot_be_decoded_is_one_clear_error():
    message = r"^n01440764_10026 cannot be decoded: it is a png, not a JPEG; it cannot .*\)$"
    with pytest.raises(ImageError, match=message):
        apply(record(PNG[:-100]), "fix")


def test_fixed_bytes_are_golden():
    if features.version("libjpeg_turbo") is None:
        pytest.skip("another JPEG library encodes to other bytes")
    found = {
        problem: hashlib.sha256(jpeg_of(apply(record(jpeg), "fix"))).hexdigest()[:16]
        for problem, jpeg in (("png", PNG), ("cmyk", CMYK), ("truncated", GOOD[:-500]))
    }
    assert found == {
        "png": "2185e5636e3f063d",
        "cmyk": "762e728a5816c40f",
        "truncated": "e7ba3ecc78fafa08",
    }


def test_real_images_are_sound():
    if not SAMPLE.is_dir():
        pytest.skip("the sample of ImageNet is not here")
    paths = sorted(SAMPLE.iterdir())
    assert paths
    for path in paths:
        data = path.read_bytes()
        size = Image.open(io.BytesIO(data)).size
        assert examine(data)[:4] == (Verdict.PLAIN, "", *size), path.name


def test_fix_has_tensorflows_rule_for_cmyk_and_decoding_has_pillows():
    inks = np.random.default_rng(4).integers(0, 256, (6, 8, 4), np.uint8)
    large = Image.fromarray(inks, "CMYK").resize((64, 48), Image.Resampling.BILINEAR)
    adobe = encoded(large, quality=95)
    at = adobe.index(b"\xff\xee")
    plain = adobe[:at] + adobe[at + 2 + int.from_bytes(adobe[at + 2 : at + 4]) :]

    def differences(image):
        by_pillow = np.asarray(Image.open(io.BytesIO(image)).convert("RGB")).astype(int)
        assert np.array_equal(decode(image, other="pillow"), by_pillow)
        return np.abs(to_pixels(image).astype(int) - by_pillow)

    assert differences(adobe).max() == 1
    assert differences(plain).mean() > 50


def png_of_16_bits(colour, channels):
    values = np.random.default_rng(5).integers(0, 65_536, (4, 4, channels)).astype(">u2")
    header = struct.pack(">IIBBBBB", 4, 4, 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        crc = zlib.crc32(name + content)
        png += struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)
    return values, png


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_a_png_of_16_bits_with_colour_or_transparency_keeps_the_upper_8(colour, channels):
    values, png = png_of_16_bits(colour, channels)
    visible = channels - (colour >= 4)  # the last one is transparency
    upper = np.broadcast_to(values[..., :visible] >> 8, (4, 4, 3))
    assert np.array_equal(to_pixels(png), upper)
    assert apply(record(png), "fix").fix == "png-to-jpeg"


def test_a_grey_png_of_16_bits_cannot_be_fixed_and_can_be_kept():
    _, png = png_of_16_bits(0, 1)
    with pytest.raises(ImageError, match="is a PNG, not a JPEG; it has pixels of mode I;16"):
        apply(record(png), "fix")
    assert jpeg_of(apply(record(png), "keep")) == png
