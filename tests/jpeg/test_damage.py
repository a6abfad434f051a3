import random
import re

import numpy as np
import pytest
from baseline import Kind, random_jpeg
from jpeg_images import by_pillow, encoded, photo, stored_forms

from imnet_data import jpeg
from imnet_data.errors import ImageError

FILES = [
    encoded(photo(70, 52)),
    encoded(photo(70, 52), subsampling=0, quality=95),
    encoded(photo(70, 52), restart_marker_blocks=3),
    encoded(photo(40, 33, mode="L"), restart_marker_rows=1),
    random_jpeg(
        Kind(width=30, height=20, sampling=[(2, 1), (1, 1), (1, 1)], interleaved=False),
        random.Random(1),
    ),
]
STORED = [form for data in FILES for form in stored_forms(data)]


@pytest.mark.parametrize("data", FILES)
def test_a_file_cut_anywhere_is_an_error_or_has_all_its_pixels(data, variant):
    whole = by_pillow(data)
    scan = jpeg.header(data).scan_offset
    complete = 0
    for nbytes in range(len(data)):
        try:
            assert np.array_equal(jpeg.decode(data[:nbytes]), whole)
            complete += 1
        except ImageError as error:
            named = "at byte" in str(error) and str(nbytes) in str(error)
            assert named or nbytes < 4 or complete == 0
    assert complete == 0  # without its end marker, Pillow refuses it, too
    with pytest.raises(ImageError, match=f"damaged at byte {scan + 20}: image data ends early"):
        jpeg.decode(data[: scan + 20])


@pytest.mark.parametrize("data", FILES)
def test_flipped_bits_are_an_error_or_an_image_of_the_same_size(data, variant):
    rng = random.Random(7)
    shape = by_pillow(data).shape
    scan = jpeg.header(data).scan_offset
    refused = 0
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(scan, len(data))] ^= 1 << rng.randrange(8)
        try:
            assert jpeg.decode(bytes(damaged)).shape == shape
        except ImageError as error:
            assert "at byte" in str(error)
            refused += 1
    assert refused > 100


def test_the_files_are_stored_in_all_forms():
    assert len(STORED) >= 2 * len(FILES)


@pytest.mark.parametrize("data", STORED)
def test_flipped_bits_anywhere_never_crash(data):
    rng = random.Random(8)
    for _ in range(1500):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        for action in (
            lambda jpeg_: jpeg.decode(jpeg_, max_pixels=1 << 20),
            jpeg.seekable,
            jpeg.restore,
            jpeg.pack,
            jpeg.unpack,
            lambda jpeg_: jpeg.crop(jpeg_, (0, 0, 1, 1)),
        ):
            try:
                assert len(action(bytes(damaged))) > 0
            except ImageError as error:
                assert str(error)


def test_a_missing_restart_marker_is_named_with_its_place():
    data = FILES[2]
    place = data.index(b"\xff\xd1")
    wrong = data[:place] + b"\xff\xd5" + data[place + 2 :]
    message = f"damaged at byte {place}: not the restart marker that is due"
    with pytest.raises(ImageError, match=message):
        jpeg.decode(wrong)


def test_decoding_and_examining_name_the_first_of_several_damaged_intervals(variant):
    data = encoded(photo(64, 160), subsampling=0, restart_marker_rows=1)
    begins = [jpeg.header(data).scan_offset]
    for number in range(19):
        begins.append(data.index(b"\xff%c" % (0xD0 + number % 8), begins[-1]) + 2)
    bad_code = "image data has a code that cannot be there"
    for first in range(10):  # also beyond the eight that are decoded together
        place = begins[first]
        damaged = data[:place] + b"\xff\x00\xff\x00" + data[place + 4 :]  # no code is all ones
        for later in begins[first + 1 :]:
            wrong_number = b"\xff%c" % (data[later - 1] ^ 1)
            for rest in (wrong_number + data[later:], data[later:], b""):
                wrong = damaged[: later - 2] + rest
                with pytest.raises(ImageError, match=f"damaged at byte {place}: {bad_code}"):
                    jpeg.decode(wrong)
                assert jpeg.examine(wrong).reason.startswith(f"{bad_code} at byte {place}")


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_box_has_the_fault_of_all_that_comes_before_its_end(subsampling, variant):
    # the blocks before the narrow box are stepped over, those before the wide one are decoded
    data = encoded(photo(240, 176), subsampling=subsampling, quality=80)
    rng, scan = random.Random(9), jpeg.header(data).scan_offset
    narrow, wide = (176, 112, 224, 160), (0, 0, 224, 160)
    refused = 0
    for number in range(300):
        damaged = bytearray(data)
        damaged[rng.randrange(scan, len(data))] ^= 1 << rng.randrange(8)
        wrong = bytes(damaged if number % 3 else damaged[: rng.randrange(scan, len(data))])
        try:
            whole = jpeg.decode(wrong, wide)
        except ImageError as error:
            with pytest.raises(ImageError, match=re.escape(str(error))):
                jpeg.decode(wrong, narrow)
            refused += 1
        else:
            assert np.array_equal(jpeg.decode(wrong, narrow), whole[112:, 176:])
    assert 50 < refused < 250


def test_sizes_that_the_data_cannot_fill_are_refused_before_memory_is_asked_for():
    data = FILES[0]
    huge = data.replace(b"\x08" + (52).to_bytes(2) + (70).to_bytes(2), b"\x08\x30\x00\x30\x00")
    assert jpeg.header(huge).width == 0x3000
    with pytest.raises(ImageError, match="image data ends early"):
        jpeg.decode(huge)


def test_an_empty_huffman_table_is_an_error_each_time():
    data = FILES[1]
    start = data.index(b"\xff\xc4")
    empty = data[:start] + b"\xff\xc4\x00\x13\x00" + bytes(16) + data[data.index(b"\xff\xda") :]
    for _ in range(3):
        with pytest.raises(ImageError, match="a Huffman table is missing, or is none"):
            jpeg.decode(empty)
