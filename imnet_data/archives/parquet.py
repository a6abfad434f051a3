"""Parquet files of images, `image: struct<bytes, path>` and `label`, read in place by pyarrow.

Row groups are streamed to list their rows, a few rows at a time. To read one image, the row group
that has it is read, and the last ones are kept; a row group too large to be kept is streamed up to
the image instead. No file is held open, and each process keeps its own, so that Rows can be used
after a fork.

Source: huggingface/datasets, features/image.py and features/features.py (`ClassLabel`, and the
schema's metadata `huggingface`); apache/parquet-format.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from imnet_data.errors import MissingExtra, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"PAR1"
KEPT_NBYTES = 1 << 28  # of row groups; those of the Hub have 100 images, about 11 MB

_BATCH_ROWS = 64
_METADATA = b"huggingface"
_LABEL = "label"
_DOWNLOAD = "download it again"


class Row(NamedTuple):
    """One row; None for what it does not have."""

    image: Any  # a buffer of the bytes, which are not copied
    path: str | None
    label: Any  # an int; a list of several, in the files of ImageNet-Hard


class Rows:
    """The rows of one file."""

    def __init__(self, path: Path, kept: Kept) -> None:
        """Read the schema of the file at `path`.

        Raises:
            MissingExtra: if pyarrow is not installed.
            SourceError: if it is damaged, or has other columns.
        """
        self.path = path
        self._kept = kept
        self._pyarrow = import_pyarrow()
        with self._opened() as file:
            schema = file.schema_arrow
            _refuse_ours(file.metadata.created_by, path)
            self.count = int(file.metadata.num_rows)
            self._image = _image_column(schema, path, self._pyarrow)
            self.has_labels = _has_labels(schema, path, self._pyarrow)
            self.names = tuple(schema.names)
            self.has_label_lists = self.has_labels and not self._pyarrow.types.is_integer(
                schema.field(_LABEL).type
            )
            self.class_names = _class_names(schema.metadata or {}, path)

    def __reduce__(self) -> tuple[type[Rows], tuple[Path, Kept]]:
        return Rows, (self.path, self._kept)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file, and say of any fault where it is."""
        arrow = self._pyarrow
        try:
            with arrow.parquet.ParquetFile(self.path, page_checksum_verification=True) as file:
                yield file
        except (arrow.ArrowException, OSError, ValueError, MemoryError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SourceError(
                f"{self.path}: damaged, or no Parquet file ({reason}); {_DOWNLOAD}"
            ) from error

    def __iter__(self) -> Iterator[Row]:
        count = 0
        with self._opened() as file:
            for row in self._streamed(file, range(file.metadata.num_row_groups)):
                yield row
                count += 1
        if count != self.count:
            raise SourceError(f"{self.path}: has {count} rows, and says {self.count}; {_DOWNLOAD}")

    def _streamed(self, file: Any, groups: range) -> Iterator[Row]:
        names = [f"{self._image}.bytes", f"{self._image}.path", *([_LABEL] * self.has_labels)]
        for batch in file.iter_batches(
            _BATCH_ROWS, row_groups=list(groups), columns=names, use_threads=False
        ):
            images, paths = batch.column(self._image).flatten()  # null where the struct is
            labels = batch.column(_LABEL) if self.has_labels else [None] * len(images)
            for image, path, label in zip(images, paths, labels, strict=True):
                yield Row(image.as_buffer(), path.as_py(), None if label is None else label.as_py())

    def image(self, number: int) -> bytes:
        """Return the image of a row, b"" where it has none."""
        with self._kept.lock():
            found = self._kept.find(self.path, number)
            if found is not None:
                return found
            with self._opened() as file:
                group, first = _group_of(file.metadata, number)
                streamed = self._streamed(file, range(group, group + 1))
                if file.metadata.row_group(group).total_byte_size > self._kept.most_nbytes:
                    return _content(next(islice(streamed, number - first, None)))
                images = list(map(_content, streamed))
            self._kept.keep(self.path, first, images)
            return images[number - first]


class Kept:
    """The images of the row groups that were read last."""

    def __init__(self, most_nbytes: int = KEPT_NBYTES) -> None:
        self.most_nbytes = most_nbytes
        self._process = 0
        self._forget()

    def __reduce__(self) -> tuple[type[Kept], tuple[int]]:
        return Kept, (self.most_nbytes,)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[Path, int], list[bytes]] = OrderedDict()
        self._nbytes = 0

    def lock(self) -> threading.Lock:
        """Return what one thread may hold; a forked process begins with nothing kept."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._forget()
        return self._lock

    def find(self, path: Path, number: int) -> bytes | None:
        """Return the image of a row, if it is here."""
        for key, images in self._groups.items():
            if key[0] == path and 0 <= number - key[1] < len(images):
                self._groups.move_to_end(key)
                return images[number - key[1]]
        return None

    def keep(self, path: Path, first: int, images: list[bytes]) -> None:
        """Keep a row group, and of earlier ones as many as there is room for."""
        self._groups[path, first] = images
        self._nbytes += sum(map(len, images))
        while self._nbytes > self.most_nbytes and len(self._groups) > 1:
            _, dropped = self._groups.popitem(last=False)
            self._nbytes -= sum(map(len, dropped))


def _content(row: Row) -> bytes:
    return b"" if row.image is None else bytes(row.image)


def _group_of(metadata: Any, number: int) -> tuple[int, int]:
    """Return the row group that a row is in, and the row that it begins with."""
    first = 0
    for group in range(metadata.num_row_groups):
        count = int(metadata.row_group(group).num_rows)
        if number < first + count:
            return group, first
        first += count
    raise ValueError(f"there is no row {number} of {first}")


def _refuse_ours(created_by: str | None, path: Path) -> None:
    if (created_by or "").startswith("imnet-data "):  # its JPEGs may be seekable: not as published
        raise SourceError(
            f"{path}: is of a dataset of this program, which is given by its folder, the one that "
            "has dataset.json"
        )


def _image_column(schema: Any, path: Path, arrow: Any) -> str:
    images = [
        field.name
        for field in schema
        if arrow.types.is_struct(field.type) and {of.name for of in field.type} == {"bytes", "path"}
    ]
    if len(images) != 1:
        raise SourceError(
            f"{path}: needed is one column of images, struct<bytes, path>, and there are "
            f"{len(images)} (columns: {', '.join(schema.names)[:200]})"
        )
    return str(images[0])


def _has_labels(schema: Any, path: Path, arrow: Any) -> bool:
    if _LABEL not in schema.names:
        return False
    kind = schema.field(_LABEL).type
    several = arrow.types.is_list(kind) and arrow.types.is_integer(kind.value_type)
    if not (arrow.types.is_integer(kind) or several):
        raise SourceError(f"{path}: its column {_LABEL} has {kind}; an integer per row is read")
    return True


def _class_names(metadata: dict[bytes, bytes], path: Path) -> list[str] | None:
    """Return the class names in a schema's metadata; None where it has none."""
    try:
        features = json.loads(metadata.get(_METADATA, b"{}")).get("info", {}).get("features", {})
        names = features.get(_LABEL, {}).get("names")
        if names is None or all(isinstance(name, str) for name in names):
            return names and list(names)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise SourceError(
            f"{path}: the metadata {_METADATA.decode()!r} of its schema is damaged ({error}); "
            f"{_DOWNLOAD}"
        ) from error
    raise SourceError(f"{path}: the class names of its schema are no texts; {_DOWNLOAD}")


def import_pyarrow() -> Any:
    """Return pyarrow, with what reads and writes Parquet files.

    Raises:
        MissingExtra: if it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Parquet files need pyarrow, which is not installed; install it, in a clone: "
            "pip install -e '.[parquet]'"
        ) from error
    return pyarrow
