"""The conformance kit: how formats are asked, and samples that are made as they are taken."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from imnet_data.errors import FormatError
from imnet_data.formats import Format, Place, Sample, Samples, Stored
from imnet_data.machine.files import Output, file_sha256
from imnet_data.record import Record


class Announced(list[Sample]):
    """Samples of which more were planned than come, as where bad images are skipped."""

    def __init__(self, samples: Sequence[Sample], *, planned: int) -> None:
        super().__init__(samples)
        self.planned = planned

    def __len__(self) -> int:
        return self.planned


class Made:
    """Samples that do not lie in memory: all have one image but for its last bytes."""

    def __init__(self, count: int, *, nbytes: int) -> None:
        self._count = count
        self._image = random.Random(0).randbytes(nbytes - 8)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Sample]:
        for number in range(self._count):
            image = self._image + number.to_bytes(8, "little")
            record = Record(f"n01440764_{number}", "n01440764", image)
            yield Sample(record, number % 1000, 500, 375)


def write(module: Format, path: Path, samples: Samples) -> NDArray[np.int64]:
    """Write a shard at `path`; its side files lie beside it."""
    with Output(path) as out:
        offsets = module.write(out, samples)
        if not path.is_dir():
            assert out.hexdigest() == file_sha256(path)
    for suffix, content in out.side_files.items():
        path.with_suffix(suffix).write_bytes(content)
    return offsets


def place(sample: Sample, offset: int) -> Place:
    """Return the place of a sample that was written at `offset`."""
    record = sample.record
    nbytes = len(record.jpeg) if sample.pixels is None else sample.pixels.nbytes
    return Place(record.key, record.wnid, int(offset), nbytes)


def walk(module: Format, path: Path) -> list[Stored]:
    """Return all that a shard tells of itself."""
    with closing(module.open(path)) as shard:
        return list(shard.walk(lambda position, piece: None))


def seen(module: Format, path: Path) -> bytes:
    """Return what a walk lets see of the file: all pieces, which must come in order."""
    pieces = bytearray()

    def see(position: int, piece: memoryview) -> None:
        assert position == len(pieces)
        pieces.extend(piece)

    with closing(module.open(path)) as shard:
        assert list(shard.walk(see)) == walk(module, path)
    return bytes(pieces)


def read_all(module: Format, path: Path, places: Sequence[Place]) -> list[bytes]:
    """Read the places in the order given."""
    with closing(module.open(path)) as shard:
        return [shard.read(place) for place in places]


def outcome(attempt: Callable[[], object]) -> str:
    """Return how reading damaged bytes ended: it gives something, or a FormatError that helps."""
    try:
        attempt()
    except FormatError as error:
        return str(error)
    return "read"


def tree_bytes(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of each file of a tree."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def dali_batch(reader: str, count: int, **arguments: object) -> list[list[bytes]]:
    """Return each output of a reader, run on the CPU, as bytes."""
    pipeline_module = pytest.importorskip(
        "nvidia.dali.pipeline", reason="nvidia-dali is not installed"
    )
    from nvidia.dali import fn

    pipeline = pipeline_module.Pipeline(batch_size=count, num_threads=1, device_id=None)
    with pipeline:
        outputs = getattr(fn.readers, reader)(**arguments)
        named = list(outputs.values()) if isinstance(outputs, dict) else outputs
        pipeline.set_outputs(*named)
    pipeline.build()
    batches = pipeline.run()
    return [[np.asarray(batch.at(row)).tobytes() for row in range(count)] for batch in batches]
