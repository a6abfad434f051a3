"""The journal of a shard that is done: what the dataset will say of it, ready to be put together.

Beside its head, `<split>-<number>.json`, lie the shard's lines of the manifest, compressed
(`.manifest`), what its records add to the manifest's digest (`.identities`), and its own part of
the index (`.npy`). The head comes last:
a shard whose head exists is done. Nothing is synced: a killed process loses nothing that it has
written, and all is synced before it gets its final name. Only a machine that went down may have
lost some of it; the head has the hash of what lies beside it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.dataset import index, index_file, manifest
from imnet_data.dataset.index import Index
from imnet_data.machine.closing import Closing
from imnet_data.machine.files import file_sha256, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.dataset.manifest import Entry

_MANIFEST, _IDENTITIES, _INDEX = _BESIDE = ".manifest", ".identities", ".npy"
_LINES = ".lines"  # until their offsets are known


class Head(NamedTuple):
    """What a journal says of its shard."""

    name: str  # "" where records are files of their own
    record_count: int
    nbytes: int
    sha256: str
    side_files: dict[str, str]  # name -> sha256
    fixes: dict[str, int]  # what was done -> count
    skipped: dict[str, int]  # why -> count
    not_seekable: dict[str, int]  # likewise
    beside_sha256: str  # of what lies beside the head


class Writer(Closing):
    """Writes what lies beside the head, as records are taken."""

    def __init__(self, path: Path, labels: Mapping[str, int]) -> None:
        """Begin.

        Args:
            path: of the head.
            labels: wnid -> label.
        """
        self._path = path
        self._builder = index.Builder(labels)
        self._lines = path.with_suffix(_LINES).open("w")
        self._identities = path.with_suffix(_IDENTITIES).open("w")

    @property
    def fixes(self) -> dict[str, int]:
        """What was done to records, and to how many."""
        return dict(self._builder.fixes)

    def add(self, entry: Entry) -> None:
        """Add the next record, whose offset is not known yet."""
        self._builder.add(entry)
        self._lines.write(f"{manifest.to_line(entry)}\n")
        self._identities.write(manifest.identity(entry))

    def finish(self, offsets: NDArray[np.int64]) -> str:
        """Write the offsets into it all; return its sha256."""
        self.close()
        with self._path.with_suffix(_INDEX).open("wb") as file:
            index_file.write(file, self._builder.index("", offsets))
        unplaced = self._path.with_suffix(_LINES)
        with unplaced.open() as lines:
            pairs = zip(lines, offsets.tolist(), strict=True)
            placed = (manifest.placed(line, offset).encode() for line, offset in pairs)
            manifest.write(self._path.with_suffix(_MANIFEST), placed)
        unplaced.unlink()
        return beside_sha256(self._path)

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        self._identities.close()


def write_head(path: Path, head: Head) -> None:
    """Write the head that marks a shard as done."""
    write_whole(path, json.dumps(head._asdict()).encode(), sync=False)


def read_head(path: Path) -> Head:
    """Return what a journal says of its shard; ValueError or TypeError if it is damaged."""
    head = Head(**json.loads(path.read_bytes()))
    named = (head.side_files, head.fixes, head.skipped, head.not_seekable)
    if not all(isinstance(text, str) for text in (head.name, head.sha256, head.beside_sha256)):
        raise TypeError(f"{path}: a value is not text")
    if type(head.record_count) is not int or type(head.nbytes) is not int:
        raise TypeError(f"{path}: a count is not a number")
    if not all(isinstance(values, dict) for values in named):
        raise TypeError(f"{path}: names are missing")
    return head


def is_whole(path: Path) -> bool:
    """Return whether a journal, and all that lies beside its head, is as it was written."""
    try:
        return beside_sha256(path) == read_head(path).beside_sha256
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def beside_sha256(path: Path) -> str:
    """Return the sha256 of each file beside the head at `path`, one after the other."""
    return "".join(file_sha256(path.with_suffix(suffix)) for suffix in _BESIDE)


def files(path: Path) -> list[Path]:
    """Return the files of a journal, its head last."""
    return [*(path.with_suffix(suffix) for suffix in _BESIDE), path]


def manifest_path(path: Path) -> Path:
    """Return where the shard's own part of the manifest is."""
    return path.with_suffix(_MANIFEST)


def entries(path: Path) -> Iterator[Entry]:
    """Yield the entries of the manifest."""
    return manifest.read(manifest_path(path))


def identities(path: Path) -> bytes:
    """Return what the records add to the manifest's digest."""
    return path.with_suffix(_IDENTITIES).read_bytes()


def index_of(path: Path) -> Index:
    """Return the shard's own part of the index, without a digest."""
    mapped = index_file.open_index(path.with_suffix(_INDEX))
    # each column by itself, so that neither files stay open nor all columns for the sake of one
    return Index(mapped.digest, *map(np.array, mapped[1:]))
