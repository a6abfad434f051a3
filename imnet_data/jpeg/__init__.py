"""What can be done with the bytes of one JPEG: header, pixels of a box, lossless rewriting.

Uses of Pillow and the policy for bad images belong to `images`, batches to `loaders`.
"""

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
