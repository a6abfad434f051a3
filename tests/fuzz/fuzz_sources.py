"""Mutates small sources of every kind: opening one ends in records or in an error of ours.

A short run is part of the tests. A long one, by hand, goes on from seed to seed until it is
stopped, and leaves the file that broke something in the folder it names:

    python tests/fuzz/fuzz_sources.py --first 1000 --count 1000000
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from imnet_data.errors import ImnetError
from imnet_data.sources import open_sources

WNID, OTHER = "n01440764", "n01443537"
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(200)) + b"\xff\xd9"
XML = (
    b"<annotation><size><width>9</width><height>9</height></size><object><bndbox><xmin>1</xmin>"
    b"<ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"
)
CSV = f"ImageId,PredictionString\nILSVRC2012_val_00000001,{WNID} 1 2 3 4 \n".encode()
# what parsers trip over: ends of numbers, of names, of structures
TOKENS = [
    b"",
    b"\0",
    b"/",
    b"..",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x80" + bytes(11),
    b"9" * 40,
    b"-1",
    b"7777777777\0",
    b" ",
    b"\n",
    b"%",
    b"PK\1\2",
    b"PK\5\6",
    b"\x1f\x8b",
    b".tar",
    WNID.encode(),
    b"val/",
]


def _tar(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _zip(files: dict[str, bytes], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def seeds() -> dict[str, bytes]:
    """Return small sources, by the name of their file."""
    tree = {f"train/{WNID}/{WNID}_1.JPEG": JPEG, f"val/{OTHER}/a b.jpg": JPEG, "val/._x": b"x"}
    long = {f"train/{WNID}/{'ä' * 20}.JPEG": JPEG, f"train/{OTHER}/notes.txt": b"no image"}
    classes = {f"{wnid}.tar": _tar({f"{wnid}_7.JPEG": JPEG}) for wnid in (WNID, OTHER)}
    kaggle = {
        "LOC_val_solution.csv": CSV,
        "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml": XML,
        "ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG": JPEG,
    }
    return {
        "gnu.tar": _tar(tree | long),
        "pax.tar": _tar(tree | long, tarfile.PAX_FORMAT),
        "ustar.tar": _tar(tree, tarfile.USTAR_FORMAT),
        "ILSVRC2012_img_train.tar": _tar(classes),
        "winter21_whole.tar.gz": gzip.compress(_tar(classes), mtime=0),
        "kaggle.tar": _tar(kaggle),
        "stored.zip": _zip(kaggle, zipfile.ZIP_STORED),
        "deflated.zip": _zip(tree, zipfile.ZIP_DEFLATED),
        "sketch.zip": _zip({f"sketch/{WNID}/x 1.JPEG": JPEG}, zipfile.ZIP_DEFLATED),
        f"{WNID}.tar": _tar({f"{WNID}_{number}.JPEG": JPEG for number in (1, 2)}),
    }


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a few bits, bytes or pieces of it changed, cut, doubled, or replaced by tokens."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        nbytes = rng.choice((1, 2, 4, 8, 12, 512))
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + nbytes] = rng.randbytes(nbytes)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[max(0, at - nbytes) : at]
        else:
            token = rng.choice(TOKENS)
            data[at : at + len(token)] = token
        if kind and len(data) > 1024 and rng.random() < 0.5:
            _mend(data)
    return bytes(data)


def _mend(data: bytearray) -> None:
    """Make the checksums of tar headers right again, so that what is behind them is reached."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % (sum(data[at : at + 512]) % 0o1000000)


def attempt(path: Path, spool: Path) -> str:
    """Open the source at `path` and read what it lists; return how that ended."""
    try:
        source = open_sources([path], boxes=True, spool=spool)
    except ImnetError as error:
        assert str(error)
        assert "\n" not in str(error)
        return "refused"
    try:
        for records in source.splits.values():
            for index in range(len(records)):
                records[index]
    except ImnetError:
        return "refused when read"
    finally:
        source.close()
    return "read"


def run(first: int, count: int, folder: Path) -> Counter[str]:
    """Try the mutations of so many seeds; the file that breaks something stays in `folder`."""
    kinds = sorted(seeds().items())
    ends: Counter[str] = Counter()
    for seed in range(first, first + count):
        rng = random.Random(seed)
        name, content = kinds[seed % len(kinds)]
        path = folder / str(seed) / name
        path.parent.mkdir()
        packed = name.endswith(".gz") and rng.random() < 0.5
        if packed:  # damage under the gzip, too
            content = gzip.compress(mutated(gzip.decompress(content), rng), 1, mtime=0)
        path.write_bytes(content if packed else mutated(content, rng))
        ends[attempt(path, path.parent / "spool")] += 1
        for file in sorted(path.parent.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        path.parent.rmdir()
    return ends


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=10_000, help="how many seeds")
    asked = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="fuzz_sources_"))
    sys.stdout.write(f"what breaks something stays in {where}\n")
    sys.stdout.write(f"{dict(run(asked.first, asked.count, where))}\n")
