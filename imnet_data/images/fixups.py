"""The known bad images, how any other is found, and what is done with it.

The published problems of ILSVRC2012's train split are one PNG and 22 CMYK JPEGs. Nothing here goes
by their names: each file is examined, all of its data included (`jpeg.examine`). Progressive and
grey JPEGs are sound; EXIF is never read, so damaged EXIF is no problem.

A sound file is passed on untouched. What `fix` does with the others, and what the manifest says:

    problem      manifest               result
    cmyk, ycck   cmyk-to-rgb, ...       RGB by the rule in reencode.py
    png, gif ... png-to-jpeg, ...       the pixels
    coding       coding-to-baseline     the pixels (arithmetic coding and other rarities)
    structure    structure-to-baseline  the pixels (bytes between segments and other oddities)
    truncated    truncated-filled       what is there is decoded, the rest filled as libjpeg does
    damaged      damaged-filled         the same, of a file that has an end
    gzip         gzip-unpacked          what was packed, as it is, or fixed likewise

each encoded as a JPEG of quality 100, 4:4:4, or grey where it was. A truncated file is not only
given its missing end, because decoders would go on to warn of it or refuse it. What is undecodable
cannot be fixed; three images of ImageNet-21k that are known to be so are left out, and counted.

Source: cytsai/ilsvrc-cmyk-image-list, README.md; tensorflow/tpu, tools/datasets/imagenet_to_gcs.py
(the names, and quality 100).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image

from imnet_data import jpeg
from imnet_data.errors import ImageError
from imnet_data.imagenet import facts
from imnet_data.images.reencode import decode, to_jpeg
from imnet_data.jpeg import Examination, Verdict

if TYPE_CHECKING:
    from imnet_data.record import Record

Policy = Literal["fix", "error", "skip", "keep"]
POLICIES: tuple[Policy, ...] = ("fix", "error", "skip", "keep")

_EOI = b"\xff\xd9"

# of a JPEG for another decoder, by its kind; any other kind is "coding"
_CODINGS = {"progressive": "", "CMYK": "cmyk", "YCCK": "ycck", "structure": "structure"}
_EXPLAINED = {
    "cmyk": "is a CMYK JPEG",
    "ycck": "is a YCCK JPEG",
    "coding": "is not an 8-bit Huffman-coded JPEG of 1, 3 or 4 components",
    "structure": "has a structure that other readers may refuse",
    "truncated": "is cut short: it has no end-of-image marker",
    "damaged": "is damaged",
    "undecodable": "cannot be decoded",
}
_FIXES = {
    "cmyk": "cmyk-to-rgb",
    "ycck": "ycck-to-rgb",
    "coding": "coding-to-baseline",
    "structure": "structure-to-baseline",
    "truncated": "truncated-filled",
    "damaged": "damaged-filled",
}
_MAX_NBYTES = 1 << 28  # of an unpacked image
_UNPACKED = "gzip-unpacked"
_KNOWN = "skipped: known to be undecodable, as published"


class Refused(ImageError):
    """An image that the policy does not let pass; the text names the record."""

    def __init__(self, problem: str, text: str) -> None:
        super().__init__(text)
        self.problem = problem


class Outcome(NamedTuple):
    """What became of a record."""

    record: Record | None  # None where it was skipped
    width: int  # pixels; 0 where unknown
    height: int
    fix: str  # for the manifest; "" where the bytes are as published and sound
    verdict: str = ""  # on the bytes in `record`, for the manifest; "" where they are plain

    @property
    def is_decodable(self) -> bool:
        """Whether pixels can be made of the bytes."""
        return Verdict(self.verdict or Verdict.PLAIN).decodable

    @property
    def is_damaged(self) -> bool:
        """Whether some of the pixels have to be filled."""
        return self.verdict == Verdict.DAMAGED


def problem_of(image: bytes, found: Examination) -> str:
    """Return what a policy has to treat; "" for a sound image.

    A key of the table above, "undecodable", or the kind of a file that is not a JPEG: "png".
    """
    match found.verdict:
        case Verdict.PLAIN:
            return ""
        case Verdict.OTHER_DECODER:
            return _CODINGS.get(found.kind, "coding")
        case Verdict.DAMAGED:
            return "truncated" if image.rfind(_EOI) < 0 else "damaged"
        case Verdict.REFUSED:
            return "structure"
        case Verdict.NOT_A_JPEG:
            return found.kind
        case Verdict.UNDECODABLE:
            return "gzip" if found.kind == "gzip" else "undecodable"


def apply(record: Record, policy: Policy, *, is_sound: bool = False) -> Outcome:
    """Examine a record and treat it as `policy` says: see the head of this module.

    `keep` passes the bytes on and notes the problem; `skip` leaves the record out. `is_sound` is
    that of `jpeg.examine`.

    Raises:
        Refused: under `error` for any problem, under `fix` for one that cannot be fixed.
    """
    found = jpeg.examine(record.jpeg, is_sound=is_sound)
    problem = problem_of(record.jpeg, found)
    seen = found.width, found.height
    verdict = "" if found.verdict is Verdict.PLAIN else found.verdict.value
    if not problem:
        return Outcome(record, *seen, "", verdict)
    if policy == "fix" and problem == "undecodable" and record.key in facts.UNDECODABLE_KEYS:
        return Outcome(None, *seen, _KNOWN, verdict)
    if policy == "skip":
        return Outcome(None, *seen, f"skipped: {problem}", verdict)
    if policy == "keep":
        return Outcome(record, *seen, f"kept: {problem}", verdict)
    if policy == "error" or problem == "undecodable":
        raise Refused(problem, _described(record, problem, found))
    return _fixed(record, problem, found)


def _described(record: Record, problem: str, found: Examination) -> str:
    if problem not in _EXPLAINED:
        return f"{record.key} is a {problem.upper()}, not a JPEG"
    described = f"{record.key} {_EXPLAINED[problem]}"
    return described if problem in ("cmyk", "ycck", "truncated") else f"{described}: {found.reason}"


def _fixed(record: Record, problem: str, found: Examination) -> Outcome:
    if problem == "gzip":
        return _unpacked(record, _described(record, problem, found))
    try:
        picture = _decoded(record.jpeg, found)
    except ImageError as error:
        raise Refused(problem, f"{_described(record, problem, found)}; {error}") from error
    fix = _FIXES.get(problem, f"{problem}-to-jpeg")
    fixed = record._replace(jpeg=to_jpeg(picture, quality=100))
    return Outcome(fixed, picture.width, picture.height, fix)


def _unpacked(record: Record, described: str) -> Outcome:
    """Unpack a gzipped image, as 26 of ImageNet-21k's are; fix it if that must be, too."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        image = unpacker.decompress(record.jpeg, _MAX_NBYTES)
    except zlib.error as error:
        raise Refused("gzip", f"{described} and cannot be unpacked ({error})") from error
    if not unpacker.eof or image.startswith(b"\x1f\x8b"):
        raise Refused("gzip", f"{described} and is cut short, too large or packed twice")
    outcome = apply(record._replace(jpeg=image), "fix")
    return outcome._replace(fix="+".join(filter(None, (_UNPACKED, outcome.fix))))


def _decoded(image: bytes, found: Examination) -> Image.Image:
    if found.verdict is not Verdict.REFUSED:
        return decode(image, fill=found.verdict is Verdict.DAMAGED)
    picture = Image.fromarray(jpeg.decode(image, structure="any"))
    return picture.convert("L") if found.components == 1 else picture
