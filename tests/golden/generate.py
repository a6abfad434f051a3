"""Writes the golden shards: one of each format, of three small samples, compressed.

They are committed so that what was once written is read for ever, and so that no change of a byte
goes unnoticed. Run `python tests/golden/generate.py` only where a format's bytes are to change:
then keep the old file under the name of the last version that wrote it, and read it in the tests.

`dataset-v1.tar.zst` holds two whole datasets of version 1, written by the last code that wrote that
version; see tests/dataset/test_version_1.py. `dataset-v2.tar.zst` holds one of version 2. Nothing
can write them again.
"""

import base64
import sys
import tempfile
from pathlib import Path

import zstandard

from imnet_data import formats
from imnet_data.formats import Sample
from imnet_data.machine.files import Output
from imnet_data.record import Box, Record

FOLDER = Path(__file__).parent

_COLOUR = (  # 16 x 12, 4:2:0, 309 bytes
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhl"
    "bXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
    "fHx8fHx8fHx8fHx8fHz/wAARCAAMABADASIAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EABkQAAMAAwAAAAAAAAAA"
    "AAAAAAADIQIEMf/EABQBAQAAAAAAAAAAAAAAAAAAAAL/xAAXEQADAQAAAAAAAAAAAAAAAAAAAgQB/9oADAMBAAIRAxEAPwAV"
    "GhyCaNDkEEJwkEkJwkAr6GOtj//Z"
)
_GREY = (  # 16 x 12, 184 bytes
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWG"
    "kJ6jq62rZ4C8ybqmx5moq6T/wAALCAAMABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABQEE/8QAHBAAAQQDAQAAAAAAAAAA"
    "AAAAAAECAwQREiFB/9oACAEBAAA/ACY2bGiOrt4SqiLgYqxtXHD/2Q=="
)


def golden_samples() -> list[Sample]:
    """Return three samples: colour with boxes, grey, and one without a label."""
    colour, grey = base64.b64decode(_COLOUR), base64.b64decode(_GREY)
    boxes = (Box(0, 1, 15, 11), Box(2, 3, 4, 5))
    return [
        Sample(Record("n01443537_16", "n01443537", colour, boxes), 1, 16, 12),
        Sample(Record("n01440764_10026", "n01440764", grey), 0, 16, 12),
        Sample(Record("ILSVRC2012_test_00000001", "", colour), -1, 16, 12),
    ]


def main() -> None:
    """Write all golden shards into this folder."""
    for name in formats.FORMATS:
        if name == "folder":
            continue  # its files are the images
        with tempfile.TemporaryDirectory() as scratch:
            shard = Path(scratch, name)
            with Output(shard) as out:
                formats.get(name).write(out, golden_samples())
                out.hexdigest()  # what was appended is written by then
            packed = zstandard.ZstdCompressor(level=19).compress(shard.read_bytes())
        (FOLDER / f"{name}.zst").write_bytes(packed)
        sys.stdout.write(f"{name}.zst: {len(packed)} bytes\n")


if __name__ == "__main__":
    main()
