import base64
import hashlib
import random

import numpy as np
import pytest
import simplejpeg
from baseline import Kind, random_jpeg
from jpeg_images import by_pillow, cut, encoded, photo, random_box
from PIL import Image

from imnet_data import jpeg
from imnet_data.errors import ImageError, NotSeekable

SAMPLINGS = [
    [(1, 1)],
    [(1, 1), (1, 1), (1, 1)],
    [(2, 1), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(2, 2), (2, 1), (1, 2)],
]

# a photo of 40 x 17 pixels, with intervals of 16
FIRST_VERSION = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV02>k%7Zed27Zw*D92+1gLMtdGB`8rkJupIGRb^yfRb5+Zc$tA}agcLcU4^xV"
    "ke;Kft*d8%yve$z$C;?Br2pFhLjfEf9w;LyPAe-;q;6eqq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*z"
    "q@<*zq@<*zq@<*zq@@4A01*fP5dbIy0U`hb5di}c0sq7R8UO(S00IL50000000000000040|fyB2LHqW8V~^h0s{d6"
    "0000000000000010s|2-1pmYU836$R0|5a50000000000000C51qK2G|HJ?u5dZ-L1Oos70000000000000341OgHv"
    "F%c6o|LOn?X>D$0bN~Sd0RaEq00aO5|Jncy0|5X65d#qbKLFgz23gXJBlJ$T5<T04x}CQt|Ip2n(4O{(8ErdHYs<K?"
    "?Oslro0I?1!8U<B++3w2l42kK(%oB#y&RBKM)Y|-qyN*#m$H`q1%nzZTiO5A*GLP*Jdpp{"
)
FIRST_VERSION_ORIGINAL = "a48b5a60eff1c77b78b5021e61857e4053df2c5ae31f8e9bd1016b81209e76da"


def segment_of_ours(made):
    """The APP10 segment that holds what restoring needs."""
    start = made.index(b"imnet\0") - 4
    return made[start : start + 2 + int.from_bytes(made[start + 2 : start + 4], "big")]


def check(data, rng):
    """Rewritten, restored, cut: all as the original, by every decoder."""
    made = jpeg.seekable(data, target_width=rng.choice([1, 16, 32, 128]))
    assert jpeg.restore(made) == data
    assert jpeg.restore(made, is_hashed=True) == data
    expected = by_pillow(data)
    assert np.array_equal(by_pillow(made), expected)
    assert np.array_equal(jpeg.decode(made), expected)
    header = jpeg.header(made)
    mcu = 8 * max(h for h, _ in header.sampling) if header.components > 1 else 8
    assert -(-header.width // mcu) % header.restart_interval == 0
    for _ in range(3):
        box = random_box(rng, header.width, header.height)
        assert np.array_equal(jpeg.decode(made, box), cut(expected, box)), box
        smaller, inside = jpeg.crop(made, box)
        assert np.array_equal(cut(by_pillow(smaller), inside), cut(expected, box)), box
        assert np.array_equal(cut(jpeg.decode(smaller), inside), cut(expected, box)), box


@pytest.mark.parametrize("seed", range(0, 100, 10))
def test_what_encoders_write_comes_back_and_is_cut_exactly(seed, variant):
    for number in range(seed, seed + 10):
        rng = random.Random(number)
        image = photo(rng.randint(1, 300), rng.randint(1, 90), seed=number)
        options = {"optimize": rng.random() < 0.5, "subsampling": rng.randint(0, 2)}
        check(encoded(image, quality=rng.randint(1, 100), **options), rng)


@pytest.mark.parametrize("seed", range(0, 40, 10))
def test_any_sampling_and_table_comes_back_and_is_cut_exactly(seed, variant):
    for number in range(seed, seed + 10):
        rng = random.Random(number)
        kind = Kind(
            width=rng.randint(1, 150),
            height=rng.randint(1, 60),
            sampling=rng.choice(SAMPLINGS),
            density=rng.choice([0.02, 0.3]),
            jfif=rng.random() < 0.5,
            adobe=rng.choice([None, 0, 1]),
        )
        check(random_jpeg(kind, rng), rng)


def test_every_ff_is_stuffed_wherever_it_lies(variant):
    for width in range(8, 300, 4):
        noise = np.random.default_rng(width).integers(0, 256, (16, width, 3), np.uint8)
        data = encoded(Image.fromarray(noise), quality=100, subsampling=0)
        assert data.count(b"\xff\x00") > width // 8
        made = jpeg.seekable(data, target_width=64)
        assert jpeg.restore(made) == data
        assert jpeg.restore(made, is_hashed=True) == data
        assert np.array_equal(by_pillow(made), by_pillow(data))


def test_sample_images_come_back_and_are_cut_exactly(samples):
    sizes = [0, 0]
    for name, data in samples.items():
        made = jpeg.seekable(data)
        assert jpeg.restore(made) == data
        assert jpeg.restore(made, is_hashed=True) == data
        expected = by_pillow(data)
        assert np.array_equal(jpeg.decode(made), expected), name
        height, width = expected.shape[:2]
        box = random_box(random.Random(name), width, height)
        smaller, inside = jpeg.crop(made, box)
        for image in (by_pillow(smaller), simplejpeg.decode_jpeg(smaller)):
            assert np.array_equal(cut(image, inside), cut(expected, box)), (name, box)
        sizes = [sizes[0] + len(data), sizes[1] + len(made)]
    assert sizes[1] < 1.01 * sizes[0]


def test_bytes_before_and_after_the_image_come_back():
    data = encoded(photo(90, 60), comment=b"a comment", exif=b"Exif\0\0some")
    for original in (data + b"after the end", data[:2] + b"\xff\xff" + data[2:]):
        assert jpeg.restore(jpeg.seekable(original)) == original


def test_bits_that_fill_the_last_byte_come_back():
    data = encoded(photo(90, 61, seed=3), quality=91)
    changed = 0
    for bit in range(7):
        other = bytearray(data)
        other[-3] ^= 1 << bit
        try:
            made = jpeg.seekable(bytes(other))
            assert jpeg.restore(made) == other
            assert jpeg.restore(made, is_hashed=True) == other
            changed += np.array_equal(by_pillow(other), by_pillow(data))
        except ImageError:
            break
    assert changed > 0


def test_dc_tables_that_lack_categories_get_them_and_lose_them_again():
    # differences between neighbours are small, the values themselves are not
    ramp = Image.fromarray(np.linspace(0, 255, 600, dtype=np.uint8)[None].repeat(40, 0))
    data = encoded(ramp, optimize=True, quality=90)
    made = jpeg.seekable(data, target_width=8)
    added = 6 + len(segment_of_ours(made))
    codes = jpeg.header(made).scan_offset - jpeg.header(data).scan_offset - added
    assert 1 <= codes <= 12
    check(data, random.Random(1))


def test_a_table_that_no_scan_uses_may_hold_anything():
    data = encoded(photo(300, 40))
    start = data.index(b"\xff\xda")
    table = b"\xff\xc4\x00\x14\x03" + bytes([1, *bytes(15)]) + b"\x77"
    other = data[:start] + table + data[start:]
    assert jpeg.restore(jpeg.seekable(other)) == other


def test_a_difference_with_two_codes_is_left_alone_or_comes_back():
    # the same category twice in a DC table: only one of its codes can be written again
    rng = random.Random(4)
    data = encoded(photo(64, 64, mode="L"), quality=90)
    start = data.index(b"\xff\xc4\x00\x1f\x00") + 5 + 16
    for category in range(12):
        other = bytearray(data)
        other[start + rng.randrange(12)] = category
        try:
            assert jpeg.restore(jpeg.seekable(bytes(other), target_width=8)) == other
        except NotSeekable as error:
            assert "left as it is" in str(error)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(photo(40, 30), progressive=True), "progressive"),
        (encoded(photo(40, 30, mode="CMYK")), "CMYK"),
        (encoded(photo(40, 30), restart_marker_blocks=2), "a restart interval of its own"),
        (encoded(photo(40, 30))[:-2], "the scan is not the end of the image"),
        (encoded(photo(40, 30))[:-40], "its image data is damaged"),
        (encoded(photo(40, 30))[:-2] + b"\x00\x00\xff\xd9", "bytes after the last block"),
        (
            random_jpeg(
                Kind(width=20, height=9, sampling=[(1, 1)] * 3, interleaved=False),
                random.Random(2),
            ),
            "several scans",
        ),
    ],
)
def test_what_cannot_be_had_back_is_left_alone_with_the_reason(data, reason):
    with pytest.raises(NotSeekable, match=f"left as it is: .*{reason}"):
        jpeg.seekable(data)


def test_seekable_twice_is_refused_and_restore_takes_only_what_it_made():
    data = encoded(photo(40, 30))
    with pytest.raises(NotSeekable, match="a restart interval of its own"):
        jpeg.seekable(jpeg.seekable(data))
    with pytest.raises(NotSeekable, match="it was not made seekable here"):
        jpeg.restore(data)
    with pytest.raises(ValueError, match="target_width is 0; it must be at least 1"):
        jpeg.seekable(data, target_width=0)


def test_crop_of_a_file_without_intervals_is_the_whole_file():
    data = encoded(photo(40, 30))
    assert jpeg.crop(data, (3, 4, 20, 21)) == (data, (3, 4, 20, 21))


def test_crop_drops_what_says_nothing_about_pixels():
    data = encoded(photo(300, 200), exif=b"Exif\0\0" + bytes(500), comment=b"c" * 300)
    smaller, inside = jpeg.crop(jpeg.seekable(data), (140, 90, 150, 100))
    assert len(smaller) < len(data) / 4
    assert b"Exif" not in smaller
    assert b"imnet" not in smaller
    assert inside[2] - inside[0] == 10


def test_crop_of_a_narrow_right_edge_keeps_the_chroma_filter():
    # 2 samples of chroma alone would be upsampled without the filter, and differ
    data = encoded(photo(131, 40, seed=5), subsampling=2)
    made = jpeg.seekable(data, target_width=1)
    smaller, inside = jpeg.crop(made, (130, 5, 131, 9))
    assert np.array_equal(cut(by_pillow(smaller), inside), by_pillow(data)[5:9, 130:131])


def test_damage_to_a_seekable_file_is_told_by_crop_and_restore():
    made = jpeg.seekable(encoded(photo(300, 60)), target_width=32)
    place = made.index(b"\xff\xd2", jpeg.header(made).scan_offset)
    wrong = made[:place] + b"\xff\xd6" + made[place + 2 :]
    with pytest.raises(ImageError, match=f"damaged at byte {place}: not the restart marker"):
        jpeg.crop(wrong, (200, 30, 210, 60))
    for is_hashed in (False, True):
        with pytest.raises(NotSeekable, match="its image data is damaged"):
            jpeg.restore(wrong, is_hashed=is_hashed)


def test_a_file_of_the_first_version_is_restored():
    made = base64.b85decode(FIRST_VERSION)
    assert segment_of_ours(made)[4:11] == b"imnet\0\1"
    original = jpeg.restore(made)
    assert jpeg.restore(made, is_hashed=True) == original
    assert hashlib.sha256(original).hexdigest() == FIRST_VERSION_ORIGINAL
    assert np.array_equal(jpeg.decode(made), by_pillow(original))
    again = jpeg.seekable(original, target_width=16)
    assert again != made
    assert jpeg.restore(again) == original


def test_a_file_of_too_many_intervals_is_restored_without_joints():
    image = Image.fromarray(np.zeros((2700, 2700), np.uint8))
    image.paste(photo(1800, 300, mode="L"), (0, 700))
    data = encoded(image)
    made = jpeg.seekable(data, target_width=1)
    assert segment_of_ours(made)[10] == 1
    assert jpeg.restore(made) == data
    assert jpeg.restore(made, is_hashed=True) == data


def test_joints_that_do_not_fit_the_data_are_damage():
    data = encoded(photo(300, 60))
    made = jpeg.seekable(data, target_width=32)
    segment = segment_of_ours(made)
    assert segment[10] == 2
    joints = segment[11:-5]
    told = restored = 0
    for at in range(len(joints)):
        for bit in range(8):
            wrong = bytearray(made)
            wrong[made.index(joints) + at] ^= 1 << bit
            try:
                assert jpeg.restore(bytes(wrong), is_hashed=True) != data
                restored += 1  # to other bytes, whose hash is not that of the original
            except NotSeekable as error:
                assert "its image data is damaged" in str(error)
                told += 1
    assert told > restored / 4
    for cut_short in (joints[:-1], joints[:-2], b"", joints + b"\x7f"):
        size = (len(segment) - len(joints) + len(cut_short) - 2).to_bytes(2, "big")
        other = segment[:2] + size + segment[4:11] + cut_short + segment[-5:-2] + size
        with pytest.raises(NotSeekable, match="its image data is damaged"):
            jpeg.restore(made.replace(segment, other), is_hashed=True)
