"""Damages a small dataset in many ways, and asks that all that reads it ends in an ImnetError.

By hand, for as long as you like: python tests/fuzz/fuzz_datasets.py DATASET [SEED [ROUNDS]]
"""

import json
import pickle
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import zstandard

from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImnetError
from imnet_data.inspection import summary
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.transforms import TrainRecipe
from imnet_data.verification.verify import verify

FILES = (
    "dataset.json",
    "SHA256SUMS",
    "labels.tsv",
    "train/index.npy",
    "train/manifest.jsonl.zst",
)
SECONDS = 20  # for one dataset, of which verifying takes the most: else it hangs
_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1 << 31,
    1 << 63,
    10**400,
    0.5,
    float("nan"),
    "",
    "../..",
    "/etc",
    "\0",
    "\ud800",
    "x" * 5_000,
    [],
    {},
    [[]],
]


class Hanging(BaseException):
    """A reader that has not come to an end."""


def bytes_changed(content: bytes, draw: random.Random) -> bytes:
    """Flip, cut, repeat or fill in bytes."""
    at, count = draw.randrange(len(content) + 1), draw.choice((1, 8, 100))
    return draw.choice(
        (
            content[:at],
            content[:at] + bytes(count) + content[at + count :],
            content[:at] + draw.randbytes(count) + content[at + count :],
            content[:at] + content[at : at + count] * 2 + content[at + count :],
            content[:at] + content[at + count :],
            content + draw.randbytes(count),
            draw.randbytes(count),
            b"[" * 100_000,
            b"9" * 5_000,
        )
    )


def value_changed(value: Any, draw: random.Random) -> Any:
    """Put something else somewhere into a JSON value."""
    if isinstance(value, dict | list) and value and draw.random() < 0.9:
        copy = value.copy()
        key = draw.choice(list(copy)) if isinstance(copy, dict) else draw.randrange(len(copy))
        what = draw.random()
        if what < 0.1:
            del copy[key]
        elif what < 0.15 and isinstance(copy, dict):
            copy[str(draw.choice(_VALUES))] = copy[key]
        else:
            copy[key] = value_changed(copy[key], draw)
        return copy
    return draw.choice([*_VALUES, [value], {"x": value}, str(value)])


def json_changed(content: bytes, draw: random.Random) -> bytes:
    """Change a value of dataset.json."""
    return json.dumps(value_changed(json.loads(content), draw)).encode()


def manifest_changed(content: bytes, draw: random.Random) -> bytes:
    """Change lines of a manifest, and pack it as either version has it, or as a bomb."""
    reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
    lines = reader.read().splitlines()
    at = draw.randrange(len(lines))
    lines[at] = draw.choice((bytes_changed, json_changed))(lines[at], draw)
    plain = b"\n".join(lines) + b"\n"
    if draw.random() < 0.2:
        plain = draw.choice((b"\n", b"x", bytes(1), plain))
        plain *= draw.choice((9, (1 << 25) // len(plain)))
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    if draw.random() < 0.5:
        stream = compressor.compressobj()
        return stream.compress(plain) + stream.flush()
    packed = compressor.compress(plain)
    rows = np.array([[len(packed), draw.choice((len(lines), 1, 1 << 31))]], "<u4").tobytes()
    tail = rows + (1).to_bytes(4, "little") + b"LINE"
    return packed + (0x184D2A50).to_bytes(4, "little") + len(tail).to_bytes(4, "little") + tail


def index_changed(content: bytes, draw: random.Random) -> bytes:
    """Put another header, another number or another array into index.npy."""
    start = content.index(b"\n") + 1
    what = draw.randrange(4)
    if what == 0:
        descr = draw.choice(("|O", "<f8", "|u1", "|V99999999999", "S0", "[('digest', '|O')]", "(("))
        header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n".encode()
        return content[:8] + len(header).to_bytes(2, "little") + header + content[start:]
    if what == 1:
        return content[:8] + pickle.dumps(FILES) + content[8:]
    position = start + 8 * draw.randrange((len(content) - start) // 8)
    number = draw.choice((-1, 0, 1, 1 << 31, (1 << 63) - 1)).to_bytes(8, "little", signed=True)
    if what == 2:
        position = start + 8 * draw.randrange(1, 5)
    return content[:position] + number + content[position + 8 :]


CHANGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "dataset.json": json_changed,
    "train/manifest.jsonl.zst": manifest_changed,
    "train/index.npy": index_changed,
}


def readers(root: Path) -> dict[str, Callable[[], object]]:
    """Return what reads a dataset."""

    def read() -> None:
        with Dataset.open(root, "train") as dataset:
            for index in range(0, len(dataset), 31):
                dataset[index]
            dataset.entry(0)

    def load() -> None:
        with Dataset.open(root, "train") as dataset:
            schedule = Schedule(count=len(dataset), batch_size=8)
            recipe = TrainRecipe(size=16)
            with CpuLoader(source_of(dataset), recipe, schedule, threads=1) as loader:
                for _ in zip(range(2), loader.epoch(0), strict=False):
                    pass

    return {
        "verify": lambda: verify(root, workers=1),
        "summary": lambda: summary.summary(root),
        "record": lambda: summary.record(root, "0", "train"),
        "read": read,
        "load": load,
    }


def _hang(_: int, __: FrameType | None) -> None:
    raise Hanging


def faults_of(root: Path, case: str) -> list[str]:
    """Return how the readers of a damaged dataset went wrong."""
    faults = []
    for name, read in readers(root).items():
        signal.alarm(SECONDS)
        try:
            read()
        except ImnetError:
            pass
        except (Hanging, Exception):  # noqa: BLE001 - whatever it is, it is what is looked for
            faults.append(f"{case}, {name}: {traceback.format_exc(limit=-4)}")
        finally:
            signal.alarm(0)
    return faults


def fuzz(dataset: Path, folder: Path, *, seed: int, rounds: int) -> list[str]:
    """Damage each file of a dataset `rounds` times; return what went wrong."""
    root = Path(shutil.copytree(dataset, folder / "damaged"))
    before = signal.signal(signal.SIGALRM, _hang)
    faults = []
    for number in range(seed, seed + rounds):
        for file in FILES:
            draw = random.Random(f"{file} {number}")
            content = (root / file).read_bytes()
            change = draw.choice((bytes_changed, CHANGES.get(file, bytes_changed)))
            (root / file).write_bytes(change(content, draw))
            faults += faults_of(root, f"{file}, seed {number}")
            (root / file).write_bytes(content)
    signal.signal(signal.SIGALRM, before)
    return faults


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    first, count = (*numbers, *(0, 1000)[len(numbers) :])
    with tempfile.TemporaryDirectory() as made:
        found = fuzz(Path(sys.argv[1]), Path(made), seed=first, rounds=count)
    sys.stdout.write("\n".join([*found, f"{len(found)} faults\n"]))
    sys.exit(bool(found))
