"""What can be done to a JPEG: its header, its pixels or those of a box, lossless rewriting."""

from imnet_data.jpeg._crop import crop
from imnet_data.jpeg._decode import decode, decode_damaged, handed_over
from imnet_data.jpeg._header import Header, header
from imnet_data.jpeg._seekable import restore, seekable

__all__ = [
    "Header",
    "crop",
    "decode",
    "decode_damaged",
    "handed_over",
    "header",
    "restore",
    "seekable",
]
