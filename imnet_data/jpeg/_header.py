"""What a JPEG says of itself before its first scan.

Source: ITU-T T.81, annex B; JFIF 1.02; Adobe Technical Note 5116, section 18.
"""

from typing import NamedTuple

from imnet_data.native import _native


class Header(NamedTuple):
    """The header of a JPEG; every length in it was checked against the bytes that are there."""

    width: int  # pixels
    height: int
    components: int
    sampling: tuple[tuple[int, int], ...]  # (horizontal, vertical) of each component
    frame: int  # marker: 0xC0 baseline, 0xC1 extended sequential, 0xC2 progressive, ...
    precision: int  # bits a sample
    restart_interval: int  # MCUs; 0: no restart markers
    jfif: bool
    adobe_transform: int  # -1: no Adobe segment
    is_rgb: bool  # whether its components are R, G and B, not Y, Cb and Cr
    scan_offset: int  # first byte of the entropy-coded data
    unsupported: str  # why the native decoder does not take it; "" where it does


def header(jpeg: bytes | memoryview) -> Header:
    """Return the header of a JPEG, read up to its first scan.

    Raises:
        ImageError: where the bytes are not a JPEG, or its header is damaged or cut short.
    """
    return Header(**_native.jpeg_header(jpeg))
