"""Third-party libraries that datasets are made for, as readers of every record of a split.

One module for each library, which alone imports it and has one function, `read`. What is returned
is compared with the manifest in `verification`; our own readers belong to `formats` and `loaders`.
"""

from __future__ import annotations

import importlib
from importlib import metadata, util
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


_MAX_TEXT = 300  # characters of what a library raised


class Split(NamedTuple):
    """The split that a library is to read."""

    name: str
    format: str
    directory: Path
    shards: tuple[Path, ...]  # of a folder, its directory
    has_labels: bool


class Returned(NamedTuple):
    """One record as a library returns it; None for what the library does not expose."""

    key: str | None
    label: int | None  # position in the dataset's class list, -1 where there is none
    image: bytes | None  # as it is stored
    size: tuple[int, int] | None = None  # width and height of the pixels, where there are no bytes


class Reader(NamedTuple):
    """A library, and the formats that it reads."""

    name: str
    module: str  # of this package
    formats: tuple[str, ...]
    imports: str  # the package whose presence says that the library is installed
    distributions: tuple[str, ...]  # those that have it
    install: str  # the command to type where it is not installed
    needs_labels: tuple[str, ...] = ()  # formats of which it reads no split without labels

    @property
    def is_installed(self) -> bool:
        """Whether there is something to import."""
        try:
            return util.find_spec(self.imports) is not None
        except ModuleNotFoundError:  # the package that it would be in is not there
            return False

    @property
    def version(self) -> str:
        """The version that is installed, "" where that is not known."""
        for name in self.distributions:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return ""

    def load(self) -> Callable[[Split], Iterator[Returned]]:
        """Import the library, and return the function that yields all records of a split.

        Raises:
            MissingExtra: if the library cannot be imported.
        """
        try:
            module = importlib.import_module(f"{__name__}.{self.module}")
        except Exception as error:  # a library whose parts do not fit may raise anything
            raise MissingExtra(in_one_line(error)) from error
        read: Callable[[Split], Iterator[Returned]] = module.read
        return read


READERS = (
    Reader(
        "webdataset",
        "webdataset",
        ("webdataset",),
        imports="webdataset",
        distributions=("webdataset",),
        install="pip install webdataset",
    ),
    Reader(
        "timm",
        "timm",
        ("webdataset",),
        imports="timm",
        distributions=("timm",),
        install="pip install timm",
        needs_labels=("webdataset",),
    ),
    Reader(
        "wids",
        "wids",
        ("webdataset",),
        imports="wids",
        distributions=("wids",),
        install="pip install wids torch",
    ),
    Reader(
        "lmdb",
        "lmdb",
        ("lmdb", "caffe"),
        imports="lmdb",
        distributions=("lmdb",),
        install="pip install lmdb",
    ),
    Reader(
        "ffcv",
        "ffcv",
        ("beton",),
        imports="ffcv",
        distributions=("ffcv",),
        install="apt-get install g++ pkg-config libopencv-dev libturbojpeg0-dev && "
        "pip install torch ffcv",
    ),
    Reader(
        "tfrecord",
        "tfrecord",
        ("tfrecord",),
        imports="tfrecord",
        distributions=("tfrecord",),
        install="pip install tfrecord",
    ),
    Reader(
        "pyarrow",
        "pyarrow",
        ("parquet",),
        imports="pyarrow",
        distributions=("pyarrow",),
        install="pip install pyarrow",
    ),
    Reader(
        "torchvision",
        "torchvision",
        ("folder",),
        imports="torchvision",
        distributions=("torchvision",),
        install="pip install torchvision",
        needs_labels=("folder",),
    ),
    Reader(
        "DALI",
        "dali",
        ("webdataset", "caffe", "tfrecord", "folder"),
        imports="nvidia.dali",
        distributions=("nvidia-dali-cuda130", "nvidia-dali-cuda120"),
        install="pip install nvidia-dali-cuda130",
        needs_labels=("folder",),
    ),
)


def of_format(name: str) -> tuple[Reader, ...]:
    """Return the libraries that read the format `name`; none for a format from elsewhere."""
    return tuple(reader for reader in READERS if name in reader.formats)


def in_one_line(error: Exception) -> str:
    """Return what a library raised, without the middle where its text has a stack trace."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    half = _MAX_TEXT // 2
    return text if len(text) <= _MAX_TEXT else f"{text[:half]} ... {text[-half:]}"
