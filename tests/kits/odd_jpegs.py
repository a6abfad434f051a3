"""Damaged and odd JPEGs of all kinds, and files that only claim to be JPEGs: the same each time."""

import io
import itertools
import random
import zlib
from collections.abc import Iterator

import numpy as np
from baseline import Kind, random_jpeg, segment
from jpeg_images import encoded, photo
from PIL import Image

SOI, EOI = b"\xff\xd8", b"\xff\xd9"

YCC_420, YCC_422 = [(2, 2), (1, 1), (1, 1)], [(2, 1), (1, 1), (1, 1)]

BASES = {
    "444": encoded(photo(70, 52), subsampling=0, quality=90),
    "422": encoded(photo(61, 45, seed=1), subsampling=1, quality=75),
    "420": encoded(photo(70, 52, seed=2), subsampling=2, quality=50),
    "grey": encoded(photo(40, 33, mode="L"), quality=85),
    "restarts": encoded(photo(70, 52, seed=3), restart_marker_blocks=3),
    "row-restarts": encoded(photo(64, 48, seed=4), restart_marker_rows=1, optimize=True),
    "several-scans": random_jpeg(
        Kind(width=30, height=20, sampling=YCC_422, interleaved=False), random.Random(1)
    ),
    "restarts-several-scans": random_jpeg(
        Kind(width=40, height=26, sampling=YCC_420, interleaved=False, restart=4), random.Random(2)
    ),
    "progressive": encoded(photo(50, 40, seed=5), progressive=True),
    "cmyk": encoded(photo(33, 29, seed=6, mode="CMYK")),
}


def segments(jpeg: bytes) -> list[int]:
    """Offsets of all markers before the first scan's data, and the data's own."""
    offsets, at = [], 2
    while True:
        offsets.append(at)
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[offsets[-1] + 1] == 0xDA:
            return [*offsets, at]


def with_inserted(jpeg: bytes, at: int, what: bytes) -> bytes:
    return jpeg[:at] + what + jpeg[at:]


def damaged(jpeg: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """What a bad disk, a stopped download or a bad cable makes of a file."""
    scan, end = segments(jpeg)[-1], len(jpeg) - 2

    def place() -> int:
        return rng.randrange(scan, end)

    for count in (1, 1, 1, 2, 2, 3, 4, 8):
        changed = bytearray(jpeg)
        for _ in range(count):
            changed[place()] ^= 1 << rng.randrange(8)
        yield f"{count} bits flipped", bytes(changed)
    for _ in range(4):
        at = place()
        yield "cut", jpeg[:at]
        yield "cut, with an end", jpeg[:at] + EOI
        length = rng.randint(1, 40)
        yield "a run of zeros", jpeg[:at] + bytes(length) + jpeg[at + length :]
        yield "a run dropped", jpeg[:at] + jpeg[at + length : end] + EOI
        yield "a run twice", with_inserted(jpeg, at, jpeg[at : at + length])
    yield "no end", jpeg[:-2]
    yield "half an end", jpeg[:-1]
    yield "bytes before the end", jpeg[:-2] + b"\x00\x12\x34" + EOI
    yield "bytes behind the end", jpeg + b"trailer" * 9
    for marker in (0x01, 0xD0, 0xD3, 0xD9, 0xD8, 0xC4, 0xE0, 0xFE, 0xFF, 0x42, 0xF0):
        yield f"marker {marker:02X} in the scan", with_inserted(jpeg, place(), bytes([255, marker]))
    yield "FF FF 00 in the scan", jpeg[:scan] + jpeg[scan:].replace(b"\xff\0", b"\xff\xff\0", 1)
    for _ in range(8):
        changed = bytearray(jpeg)
        changed[rng.randrange(2, scan)] ^= 1 << rng.randrange(8)
        yield "a bit of the header flipped", bytes(changed)
    yield "cut in the header", jpeg[: rng.randrange(4, scan)]


def restarts_changed(jpeg: bytes) -> Iterator[tuple[str, bytes]]:
    for number in range(8):
        at = jpeg.find(bytes([255, 0xD0 + number]))
        if at < 0:
            return
        yield "a restart marker missing", jpeg[:at] + jpeg[at + 2 :]
        for other in (number + 1, number + 3, number - 1):
            wrong = bytes([255, 0xD0 + other % 8])
            yield "another restart marker", jpeg[:at] + wrong + jpeg[at + 2 :]
        yield "bytes before a restart marker", with_inserted(jpeg, at, b"\x55\x00")
        yield "fill before a restart marker", with_inserted(jpeg, at, b"\xff\xff")


def structured(jpeg: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """What encoders and editors have written that other readers take, or do not."""
    offsets = segments(jpeg)
    between = offsets[:-1]
    pieces = {
        "zeros": b"\0\0",
        "junk": b"junk",
        "RST3": b"\xff\xd3",
        "TEM": b"\xff\x01",
        "FF 00": b"\xff\0",
        "fill bytes": b"\xff\xff\xff",
        "a comment of length 0": b"\xff\xfe\0\0",
        "a comment of length 1": b"\xff\xfe\0\1",
        "an empty comment": b"\xff\xfe\0\2",
        "another start": SOI,
        "a short JFIF": segment(0xE0, b"JFIF\0"),
        "a short JFIF of version 1": segment(0xE0, b"JFIF\0\1"),
        "a colour profile without a number": segment(0xE2, b"ICC_PROFILE\0"),
        "a colour profile without a count": segment(0xE2, b"ICC_PROFILE\0\1"),
        "a colour profile": segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(40)),
        "a short Adobe": segment(0xEE, b"Adobe\0"),
        "Photoshop without a name": segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
        "Photoshop cut short": segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0"),
        "Photoshop with a resolution cut": segment(
            0xED, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\4\0\0\0\0"
        ),
        "Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\2ab"),
        "damaged EXIF": segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(20)),
        "Multi-Picture": segment(0xE2, b"MPF\0" + bytes(20)),
        "XMP": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
    }
    for marker in (0x02, 0xBF, 0xC8, 0xCC, 0xDC, 0xDE, 0xDF, 0xF0, 0xF7, 0xFD):
        pieces[f"a segment {marker:02X}"] = segment(marker, bytes(4))
    for name, piece in pieces.items():
        yield f"{name} between segments", with_inserted(jpeg, rng.choice(between), piece)
        yield f"{name} at the start", with_inserted(jpeg, 2, piece)
        yield f"{name} before the end", jpeg[:-2] + piece + EOI
    sof = next(at for at in between if jpeg[at + 1] in (0xC0, 0xC1, 0xC2))
    sos = between[-1]
    for marker in (0xC1, 0xC3, 0xC5, 0xC9, 0xCA, 0xCB, 0xCF):
        yield f"frame {marker:02X}", jpeg[: sof + 1] + bytes([marker]) + jpeg[sof + 2 :]
    for precision in (2, 12, 16):
        yield f"{precision} bits", jpeg[: sof + 4] + bytes([precision]) + jpeg[sof + 5 :]
    for height, width in ((0, 9), (9, 0), (1, 1), (200, 150), (65_501, 8), (65_535, 65_535)):
        size = height.to_bytes(2) + width.to_bytes(2)
        yield f"size {width} x {height}", jpeg[: sof + 5] + size + jpeg[sof + 9 :]
    yield "components in another order", in_another_order(jpeg, sos)
    yield "a second scan", jpeg[:-2] + jpeg[sos:-2] + EOI
    yield "tables after the scan", jpeg[:-2] + segment(0xDD, b"\0\0") + EOI
    yield "no tables of quantisation", without(jpeg, 0xDB)
    yield "no tables of Huffman codes", without(jpeg, 0xC4)
    yield "an empty Huffman table", with_inserted(jpeg, sos, segment(0xC4, bytes(17)))
    yield "a restart interval", with_inserted(jpeg, sos, segment(0xDD, b"\0\5"))
    yield "a restart interval of 3 bytes", with_inserted(jpeg, sos, segment(0xDD, b"\0\5\0"))
    wide = b"".join(bytes([255, 255 - i]) for i in range(64))
    yield "coefficients out of range", with_inserted(jpeg, sos, segment(0xDB, b"\x10" + wide))


def in_another_order(jpeg: bytes, sos: int) -> bytes:
    count = jpeg[sos + 4]
    entries = jpeg[sos + 5 : sos + 5 + 2 * count]
    pairs = [entries[i : i + 2] for i in range(0, len(entries), 2)]
    return jpeg[: sos + 5] + b"".join(reversed(pairs)) + jpeg[sos + 5 + 2 * count :]


def without(jpeg: bytes, marker: int) -> bytes:
    offsets = segments(jpeg)
    kept = [jpeg[a:b] for a, b in itertools.pairwise(offsets) if jpeg[a + 1] != marker]
    return SOI + b"".join(kept) + jpeg[offsets[-1] :]


def scans_changed() -> Iterator[tuple[str, bytes]]:
    """Several scans: one is missing, twice, or in another place."""
    for base in ("several-scans", "restarts-several-scans"):
        jpeg = BASES[base]
        starts = [i for i in range(len(jpeg)) if jpeg[i : i + 2] == b"\xff\xda"]
        scans = [jpeg[a:b] for a, b in zip(starts, [*starts[1:], len(jpeg) - 2], strict=True)]
        head = jpeg[: starts[0]]
        for order in ((0, 1), (1, 2), (0, 1, 1), (0, 0, 1, 2), (2, 1, 0), (0, 1, 2, 2), (1,)):
            yield f"scans {order} of {base}", head + b"".join(scans[i] for i in order) + EOI
        middle = head + scans[0] + segment(0xF0, b"ab") + scans[1] + scans[2] + EOI
        yield f"a reserved marker between scans of {base}", middle
        yield f"a comment between scans of {base}", middle.replace(b"\xff\xf0", b"\xff\xfe")


def other_files() -> Iterator[tuple[str, bytes]]:
    image = photo(24, 18, seed=9)
    for name in ("PNG", "GIF", "BMP", "WEBP", "TIFF"):
        file = io.BytesIO()
        image.save(file, name)
        yield name, file.getvalue()
        yield f"{name}, cut", file.getvalue()[: len(file.getvalue()) // 2]
    file = io.BytesIO()
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 100).save(file, "PNG")
    yield "a PNG of 16 bits", file.getvalue()
    yield "gzip", b"\x1f\x8b\x08" + zlib.compress(BASES["grey"])
    yield "a page", b"<!DOCTYPE html><p>404</p>"
    yield "text", b"nothing to see"
    yield "nothing", b""
    yield "zeros", bytes(2000)
    for length in range(1, 5):
        yield f"{length} bytes", b"\xff\xd8\xff\xe0"[:length]


def odd_jpegs() -> list[tuple[str, bytes]]:
    """Return about 1,200 files, each with what it is."""
    files = [*scans_changed(), *other_files()]
    for number, (base, jpeg) in enumerate(BASES.items()):
        rng = random.Random(number)
        files.append((base, jpeg))
        files += [(f"{name}: {base}", file) for name, file in damaged(jpeg, rng)]
        if "restarts" in base:
            files += [(f"{name}: {base}", file) for name, file in restarts_changed(jpeg)]
        if base in ("420", "grey", "several-scans", "progressive"):
            files += [(f"{name}: {base}", file) for name, file in structured(jpeg, rng)]
    return files
