"""The known bad images, how any other is found by looking at its bytes, and what is done.

The published problems of ILSVRC2012's train split are one PNG and 22 CMYK JPEGs. Nothing here goes
by their names: each file's header is read, and its end is looked for. Progressive and grey JPEGs
are sound; EXIF is never read, so damaged EXIF is no problem.

A sound file is passed on untouched. What `fix` does with the others, and what the manifest says:

    problem      manifest            result
    cmyk, ycck   cmyk-to-rgb, ...    RGB by the rule in reencode.py
    png, gif ... png-to-jpeg, ...    the pixels
    coding       coding-to-baseline  the pixels (12 bits, arithmetic coding and other rarities)
    truncated    truncated-filled    what is there is decoded, the rest filled as libjpeg does
    gzip         gzip-unpacked       what was packed, as it is, or fixed likewise

each encoded as a JPEG of quality 100, 4:4:4, or grey where it was. A truncated file is not only
given its missing end, because decoders would go on to warn of it or refuse it. A file that is no
image, has no size or claims more than MAX_PIXELS cannot be fixed.

Source: cytsai/ilsvrc-cmyk-image-list, README.md; tensorflow/tpu, tools/datasets/imagenet_to_gcs.py
(the names, and quality 100). ITU-T T.81, annex B (markers).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

from imnet_data.errors import ImageError
from imnet_data.images.reencode import decode, to_jpeg
from imnet_data.jpeg import MAX_PIXELS

if TYPE_CHECKING:
    from imnet_data.record import Record

Policy = Literal["fix", "error", "skip", "keep"]
POLICIES: tuple[Policy, ...] = ("fix", "error", "skip", "keep")

_EOI = b"\xff\xd9"

# first bytes of other kinds of image; RIFF is WebP here, as nothing else of it is an image
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"RIFF", "webp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"\x1f\x8b", "gzip"),
)
_EXPLAINED = {
    "cmyk": "is a CMYK JPEG",
    "ycck": "is a YCCK JPEG",
    "truncated": "is cut short: it has no end-of-image marker",
    "coding": "is not an 8-bit Huffman-coded JPEG of 1, 3 or 4 components",
    "bomb": f"claims more than {MAX_PIXELS:,} pixels",
    "no-size": "has a width or height of zero in its header",
    "header": "has a header that is damaged or cut short",
    "not-an-image": "is not an image of a known kind",
    "empty": "is empty",
}
_UNFIXABLE = frozenset({"bomb", "no-size", "header", "not-an-image", "empty"})


class Finding(NamedTuple):
    """What is seen in the bytes of an image."""

    problem: str  # "" where there is none; else a key of _EXPLAINED, or the kind: "png"
    width: int  # pixels; 0 where unknown
    height: int


class Outcome(NamedTuple):
    """What became of a record."""

    record: Record | None  # None where it was skipped
    width: int  # pixels; 0 where unknown
    height: int
    fix: str  # for the manifest; "" where the bytes are as published and sound
    verdict: str = ""  # for the manifest; "" where the image is plain


def examine(jpeg: bytes) -> Finding:
    """Find what is wrong with the bytes of an image, without decoding it.

    Damage within the entropy-coded data is not seen.
    """
    if jpeg[:2] != b"\xff\xd8":
        return _examine_other(jpeg)
    width = height = components = 0
    adobe_transform, common, position, end = 0, False, 2, len(jpeg)
    while position + 4 <= end and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        length = jpeg[position + 2] << 8 | jpeg[position + 3]
        after = position + 2 + length
        if length < 2 or after > end:
            break
        if marker == 0xDA:
            if not components:
                break
            finding = _problem(width, height, components, adobe_transform, common)
            cut_short = not finding and jpeg.rfind(_EOI, after) < 0
            return Finding("truncated" if cut_short else finding, width, height)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if length < 8:
                break
            height = jpeg[position + 5] << 8 | jpeg[position + 6]
            width = jpeg[position + 7] << 8 | jpeg[position + 8]
            components = jpeg[position + 9]
            common = marker <= 0xC2 and jpeg[position + 4] == 8
        elif marker == 0xEE and length >= 14 and jpeg.startswith(b"Adobe", position + 4):
            adobe_transform = jpeg[position + 15]
        position = after
    return Finding("header", width, height)


def _problem(width: int, height: int, components: int, adobe_transform: int, common: bool) -> str:
    if not width or not height:
        return "no-size"
    if width * height > MAX_PIXELS:
        return "bomb"
    if not common or components not in (1, 3, 4):
        return "coding"
    if components == 4:
        return "ycck" if adobe_transform == 2 else "cmyk"
    return ""


def _examine_other(image: bytes) -> Finding:
    """Name the kind of a file that is no JPEG, and read the size of a PNG."""
    if not image:
        return Finding("empty", 0, 0)
    kind = next((kind for magic, kind in _KINDS if image.startswith(magic)), "not-an-image")
    if kind != "png":
        return Finding(kind, 0, 0)
    width, height = int.from_bytes(image[16:20]), int.from_bytes(image[20:24])
    return Finding("bomb" if width * height > MAX_PIXELS else kind, width, height)


def apply(record: Record, policy: Policy) -> Outcome:
    """Look at a record and treat it as `policy` says: see the head of this module.

    `keep` passes the bytes on and notes the problem; `skip` leaves the record out.

    Raises:
        ImageError: under `error` for any problem, under `fix` for one that cannot be fixed.
    """
    problem, width, height = examine(record.jpeg)
    if not problem:
        return Outcome(record, width, height, "")
    if policy == "skip":
        return Outcome(None, width, height, f"skipped: {problem}")
    if policy == "keep":
        return Outcome(record, width, height, f"kept: {problem}")
    if policy == "error":
        raise ImageError(f"{_described(record, problem)}; {_REMEDY}")
    return _fixed(record, problem)


_REMEDY = "leave such images out with `--bad skip`, or pass them on with `--bad keep`"


def _described(record: Record, problem: str) -> str:
    return f"{record.key} {_EXPLAINED.get(problem, f'is a {problem.upper()}, not a JPEG')}"


def _fixed(record: Record, problem: str) -> Outcome:
    described = _described(record, problem)
    if problem in _UNFIXABLE:
        raise ImageError(f"{described}; it cannot be fixed: {_REMEDY}")
    if problem == "gzip":
        return _unpacked(record, described)
    # with its end given back, Pillow takes a truncated file without its global switch
    image = record.jpeg + _EOI if problem == "truncated" else record.jpeg
    try:
        picture = decode(image)
    except ImageError as error:
        raise ImageError(f"{described}; {error}; {_REMEDY}") from error
    fix = _FIXES.get(problem, f"{problem}-to-jpeg")
    jpeg = to_jpeg(picture, quality=100)
    return Outcome(record._replace(jpeg=jpeg), picture.width, picture.height, fix)


def _unpacked(record: Record, described: str) -> Outcome:
    """Unpack a gzipped image, as 26 of ImageNet-21k's are; fix it if that must be, too."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        image = unpacker.decompress(record.jpeg, _MAX_NBYTES)
    except zlib.error as error:
        raise ImageError(f"{described} and cannot be unpacked ({error}); {_REMEDY}") from error
    if not unpacker.eof or image.startswith(b"\x1f\x8b"):
        raise ImageError(f"{described} and is cut short, too large or packed twice; {_REMEDY}")
    outcome = apply(record._replace(jpeg=image), "fix")
    return outcome._replace(fix="+".join(filter(None, (_UNPACKED, outcome.fix))))


_MAX_NBYTES = 1 << 28  # of an unpacked image
_UNPACKED = "gzip-unpacked"
_FIXES = {
    "cmyk": "cmyk-to-rgb",
    "ycck": "ycck-to-rgb",
    "coding": "coding-to-baseline",
    "truncated": "truncated-filled",
}
