"""Packed coefficients: reversible to the byte, the same pixels, and errors for what is damaged."""

import hashlib
import random
import struct

import numpy as np
import pytest
from baseline import Kind, random_jpeg, random_kind
from jpeg_images import by_pillow, cut, encoded, photo, random_box
from PIL import Image

from imnet_data import jpeg
from imnet_data.errors import ImageError, NotPackable, UnsupportedJpeg
from imnet_data.native import _native

HEAD_NBYTES = 32


def check(data, rng):
    """Packed and restored to the byte; any box of it has the pixels of the published file."""
    made = jpeg.pack(data, target_width=rng.choice([1, 16, 100, 128, 10_000]))
    assert jpeg.unpack(made) == data
    expected = by_pillow(data)
    assert np.array_equal(jpeg.decode(made), expected)
    header = jpeg.header(made)
    assert (header.width, header.height) == jpeg.header(data)[:2]
    for _ in range(4):
        box = random_box(rng, header.width, header.height)
        assert np.array_equal(jpeg.decode(made, box), cut(expected, box)), box
    return made


@pytest.mark.parametrize("seed", range(0, 120, 20))
def test_what_encoders_write_comes_back_and_decodes_as_by_pillow(seed, variant):
    for number in range(seed, seed + 20):
        rng = random.Random(number)
        options = {"optimize": rng.random() < 0.5, "subsampling": rng.randint(0, 2)}
        if rng.random() < 0.3:
            options["restart_marker_blocks"] = rng.randint(1, 40)
        image = photo(rng.randint(1, 300), rng.randint(1, 90), seed=number)
        if rng.random() < 0.2:
            image = image.convert("L")
            del options["subsampling"]
        check(encoded(image, quality=rng.randint(1, 100), **options), rng)


@pytest.mark.parametrize("seed", range(0, 200, 50))
def test_any_jpeg_is_packed_exactly_or_refused(seed, variant):
    packed = 0
    for number in range(seed, seed + 50):
        rng = random.Random(number)
        data = random_jpeg(random_kind(rng), rng)
        try:
            check(data, rng)
            packed += 1
        except NotPackable:
            continue
    assert packed > 5


def test_every_variant_packs_to_the_same_bytes():
    before, made = _native.simd(), set()
    for name in _native.simd_variants():
        _native.set_simd(name)
        digest = hashlib.sha256()
        for seed in range(40):
            rng = random.Random(seed)
            kind = Kind(
                width=rng.randint(1, 150),
                height=rng.randint(1, 60),
                sampling=[(2, 2), (1, 1), (1, 1)],
                density=rng.choice([0.02, 0.3, 0.9]),
            )
            digest.update(jpeg.pack(random_jpeg(kind, rng)))
            image = photo(200, 60, seed=seed)
            digest.update(jpeg.pack(encoded(image, quality=rng.randint(1, 100))))
        made.add(digest.hexdigest())
    _native.set_simd(before)
    assert len(made) == 1


def test_values_beyond_seven_bits_are_kept(variant):
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    data = encoded(Image.fromarray(board.astype(np.uint8)), quality=100)
    made = check(data, random.Random(1))
    prefix_nbytes, _, interval_count = struct.unpack_from("<3I", made, 12)
    block = made[HEAD_NBYTES + 4 * (interval_count + 1) + prefix_nbytes :]
    first_mask = block[4 if block[1] == 0x80 else 2]
    assert block[0] & 1
    assert first_mask & 1  # wide values follow


def test_sample_images_come_back_and_stay_below_the_size(samples, variant):
    sizes = [0, 0]
    for data in samples.values():
        made = jpeg.pack(data)
        assert jpeg.unpack(made) == data
        sizes[0] += len(data)
        sizes[1] += len(made)
    assert sizes[1] <= 1.25 * sizes[0]


def test_a_packed_file_is_no_jpeg_for_others_and_is_read_everywhere_here():
    data = encoded(photo(90, 70))
    made = jpeg.pack(data)
    assert made.startswith(b"\x89IMNPK\r\n")
    with pytest.raises(OSError, match="cannot identify"):
        by_pillow(made)
    assert jpeg.kind_of(made) == "packed JPEG"
    assert jpeg.as_jpeg(made) == jpeg.as_jpeg(data) == data
    assert np.array_equal(jpeg.decode_by_pillow(made), by_pillow(data))
    assert jpeg.is_regular(made)
    assert jpeg.crop(made, (3, 4, 5, 6)) == jpeg.crop(data, (3, 4, 5, 6))
    assert jpeg.examine(made).verdict == "undecodable"  # as a published file it is none
    with pytest.raises(NotPackable, match="packed already"):
        jpeg.pack(made)


@pytest.mark.parametrize(
    ("options", "why"),
    [({"progressive": True}, "progressive"), ({"mode": "CMYK"}, "CMYK")],
)
def test_what_cannot_be_packed_is_refused_with_the_reason(options, why):
    mode = options.pop("mode", "RGB")
    with pytest.raises(NotPackable, match=why):
        jpeg.pack(encoded(photo(40, 30).convert(mode), **options))


def test_what_follows_the_blocks_of_a_scan_or_ends_early_is_refused():
    data = encoded(photo(40, 30))
    with pytest.raises(NotPackable, match="bytes after the last block"):
        jpeg.pack(data[:-2] + b"\x00\x00\x00" + data[-2:])
    with pytest.raises(NotPackable, match="damaged"):
        jpeg.pack(data[: jpeg.header(data).scan_offset + 40])


def test_zeros_that_no_encoder_codes_are_refused(variant):
    """A run of 16 zeros before the end of a block decodes alike, and could not be had back."""
    data = encoded(Image.new("L", (8, 8), 200), quality=50)
    header = jpeg.header(data)
    start = header.scan_offset
    body, end = data[start:-2], data[-2:]
    bits = "".join(f"{byte:08b}" for byte in body)
    zero_run, end_of_block = "11111111001", "1010"  # T.81, table K.5
    at = bits.index(end_of_block, 4)
    changed = bits[:at] + zero_run + bits[at : at + 4]
    changed += "1" * (-len(changed) % 8)
    body = bytes(int(changed[i : i + 8], 2) for i in range(0, len(changed), 8))
    other = data[:start] + body.replace(b"\xff", b"\xff\x00") + end
    assert np.array_equal(by_pillow(other), by_pillow(data))
    with pytest.raises(NotPackable, match="zeros are coded"):
        jpeg.pack(other)


def test_a_cut_file_is_an_error(variant):
    made = jpeg.pack(encoded(photo(150, 100), comment=b"text"))
    for nbytes in range(0, len(made), 7):
        with pytest.raises(ImageError):
            jpeg.unpack(made[:nbytes])


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_give_an_error_or_pixels(seed, variant):
    data = encoded(photo(150, 100, seed=seed), quality=95)
    made = jpeg.pack(data)
    generator = np.random.default_rng(seed)
    errors = 0
    for _ in range(400):
        damaged = bytearray(made)
        for at in generator.integers(8, len(made), generator.integers(1, 4)):
            damaged[at] ^= 1 << generator.integers(8)
        try:
            assert jpeg.decode(bytes(damaged), max_pixels=10_000_000).ndim == 3
        except (ImageError, UnsupportedJpeg):
            errors += 1
        try:
            jpeg.unpack(bytes(damaged))
        except (ImageError, UnsupportedJpeg):
            errors += 1
    assert errors > 100


def test_no_memory_is_asked_for_an_image_whose_blocks_cannot_be_there():
    data = bytearray(encoded(Image.new("L", (13_000, 8)), quality=50))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 7] = (13_000).to_bytes(2, "big")
    prefix = bytes(data[: jpeg.header(bytes(data)).scan_offset])
    rows = 13_000 // 8
    head = struct.pack(
        "<8sBBH5I",
        jpeg.pack(encoded(Image.new("L", (8, 8))))[:8],
        1,
        0,
        65_535,
        len(prefix),
        2,
        rows,
        0,
        0,
    )
    hostile = head + struct.pack(f"<{rows + 1}I", *([0] * rows), 0) + prefix + b"\xff\xd9"
    for call in (jpeg.header, jpeg.decode, jpeg.unpack):
        with pytest.raises(ImageError, match="do not fit together"):
            call(hostile)


def test_the_head_is_checked():
    made = bytearray(jpeg.pack(encoded(photo(150, 100))))
    made[8] += 1
    with pytest.raises(UnsupportedJpeg, match="another version"):
        jpeg.decode(bytes(made))
    for field in (10, 12, 16, 20, 28):
        changed = bytearray(made)
        changed[8], changed[field] = 1, changed[field] ^ 0x40
        with pytest.raises(ImageError):
            jpeg.decode(bytes(changed))
        with pytest.raises(ImageError):
            jpeg.unpack(bytes(changed))
    changed = bytearray(made)
    changed[8], changed[24] = 1, changed[24] ^ 1
    with pytest.raises(ImageError, match="length that it was published with"):
        jpeg.unpack(bytes(changed))


def test_the_bytes_of_a_packed_file_stay_what_they_are():
    """Golden: a dataset that was packed before must be readable, and a new one have its bytes."""
    rng = random.Random(7)
    kind = Kind(width=70, height=40, sampling=[(2, 2), (1, 1), (1, 1)], density=0.3)
    made = jpeg.pack(random_jpeg(kind, rng))
    assert hashlib.sha256(made).hexdigest() == (
        "34b905cb096356793de1cb5b2e4ae8ebd33605df3654489a9141db92bddf46d7"
    )
    assert made[:HEAD_NBYTES].hex() == (
        "89494d4e504b0d0a010705006302000002000000030000002d0d000000000000"
    )
