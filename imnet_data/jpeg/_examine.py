"""What can be known of an image before it is decoded: one judgement, for all that ask.

The native core reads every byte of a JPEG that it takes, its entropy-coded data included. Pillow
is asked only about the others, by decoding them: it alone knows what it makes of them.
"""

from enum import StrEnum
from typing import Any, NamedTuple

from imnet_data.errors import ImageError
from imnet_data.jpeg._pillow import MAX_PIXELS, is_asked, kind_of, open_by_pillow
from imnet_data.native import _native


class Verdict(StrEnum):
    """What an image is to those who decode it; docs/exactness.md explains each."""

    PLAIN = "plain"
    OTHER_DECODER = "other-decoder"
    DAMAGED = "damaged"
    REFUSED = "refused"
    UNDECODABLE = "undecodable"
    NOT_A_JPEG = "not-a-jpeg"

    @property
    def decodable(self) -> bool:
        """Whether Pillow, and with it every loader, makes pixels of it."""
        return self not in (Verdict.REFUSED, Verdict.UNDECODABLE)


class Examination(NamedTuple):
    """The verdict on an image, and what was seen."""

    verdict: Verdict
    kind: str  # what it is, where that is not plain: "progressive", "CMYK", "structure", "png" ...
    width: int  # pixels; 0 where unknown
    height: int
    components: int  # of a JPEG; 0 where unknown
    reason: str  # one phrase, with the place where there is one; "" for plain


def examine(image: bytes | memoryview, *, is_sound: bool = False) -> Examination:
    """Return the verdict on an image; whatever the bytes are, nothing is raised.

    Args:
        image: the bytes of a file.
        is_sound: `seekable` or `pack` has taken it, so its entropy-coded data is not read again.
    """
    seen = _native.jpeg_examine(image, MAX_PIXELS, is_sound)
    size = seen["width"], seen["height"], seen["components"]
    kind = kind_of(image)
    if kind != "jpeg":
        return _examine_other(image, kind)
    coding, structure, data = seen["coding"], seen["structure"], seen["data"]
    reason = "; ".join(filter(None, (seen["header"], coding, structure, data)))
    if not reason:
        return Examination(Verdict.PLAIN, "", *size, "")
    if seen["too_large"]:
        reason = f"more than {MAX_PIXELS:,} pixels"
        return Examination(Verdict.UNDECODABLE, "", *size, reason)
    return _ask_pillow(image, seen, coding or ("" if data else "structure"), reason)


def is_regular(image: bytes | memoryview) -> bool:
    """Return whether the header is one of a JPEG that all decoders read in the same way.

    Looks at the header alone, so it costs microseconds; damage in the data is not seen.
    """
    return _native.jpeg_is_regular(image)


def _ask_pillow(
    image: bytes | memoryview, seen: dict[str, Any], kind: str, reason: str
) -> Examination:
    """Return the verdict on a JPEG that the native decoder does not take, or finds damaged."""
    verdict = Verdict.DAMAGED if seen["data"] else Verdict.OTHER_DECODER
    width, height, components = seen["width"], seen["height"], seen["components"]
    try:
        width, height = open_by_pillow(image).size
    except ImageError as error:
        if not seen["data"]:
            reason = f"{reason}; {error}" if reason else str(error)
        try:
            width, height = open_by_pillow(image, fill=True).size
            verdict = Verdict.DAMAGED
        except ImageError:
            verdict = Verdict.REFUSED if _core_reads(image) else Verdict.UNDECODABLE
    return Examination(verdict, kind, width, height, components, reason)


def _core_reads(image: bytes | memoryview) -> bool:
    try:
        _native.jpeg_decode(image, None, MAX_PIXELS, True)
    except ImageError:
        return False
    return True


def _examine_other(image: bytes | memoryview, kind: str) -> Examination:
    if not len(image):
        return Examination(Verdict.UNDECODABLE, "", 0, 0, 0, "it is empty")
    reason = f"it is a {kind}, not a JPEG" if kind else "it is not an image of a known kind"
    if not is_asked(image):
        return Examination(Verdict.UNDECODABLE, kind, 0, 0, 0, reason)
    try:
        width, height = open_by_pillow(image).size
    except ImageError as error:
        return Examination(Verdict.UNDECODABLE, kind, 0, 0, 0, f"{reason}; {error}")
    return Examination(Verdict.NOT_A_JPEG, kind, width, height, 0, reason)
