"""What can be done with the bytes of one JPEG: header, pixels of a box, lossless rewriting.

`examine` says beforehand what comes of decoding it; Pillow decodes what the native core leaves to
others. The policy for bad images belongs to `images`, batches to `loaders`.
"""

from imnet_data.jpeg._crop import crop
from imnet_data.jpeg._decode import decode
from imnet_data.jpeg._examine import Examination, Verdict, examine, is_regular
from imnet_data.jpeg._header import Header, header
from imnet_data.jpeg._packed import as_jpeg, is_packed, pack, unpack
from imnet_data.jpeg._pillow import MAX_PIXELS, decode_by_pillow, kind_of, open_by_pillow
from imnet_data.jpeg._seekable import restore, seekable

__all__ = [
    "MAX_PIXELS",
    "Examination",
    "Header",
    "Verdict",
    "as_jpeg",
    "crop",
    "decode",
    "decode_by_pillow",
    "examine",
    "header",
    "is_packed",
    "is_regular",
    "kind_of",
    "open_by_pillow",
    "pack",
    "restore",
    "seekable",
    "unpack",
]
