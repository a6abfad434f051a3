"""Third-party libraries that datasets are made for, as readers of every record of a split.

One module per library, which alone imports it and has one function, `read`. A format names its
readers (`Format.READERS`); a format outside the package adds a row to `READERS` here for a library
of its own. What is returned is compared with the manifest in `verification`; our own readers belong
to `formats` and `loaders`.
"""

from __future__ import annotations

import importlib
from importlib import metadata, util
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import formats
from imnet_data.arguments import one_of
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
    """A library that reads every record of a split."""

    name: str
    module: str  # has the function `read`
    imports: str  # the package whose presence says that the library is installed
    install: str  # the command to type where it is not installed
    distributions: tuple[str, ...] = ()  # those that may have it; the one called `name` if empty
    needs_labels: bool = False  # it reads no split without labels

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
        for name in self.distributions or (self.name,):
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
            module = importlib.import_module(self.module)
        except Exception as error:  # a library whose parts do not fit may raise anything
            raise MissingExtra(in_one_line(error)) from error
        read: Callable[[Split], Iterator[Returned]] = module.read
        return read


READERS = {
    reader.name: reader
    for reader in (
        Reader("webdataset", f"{__name__}.webdataset", "webdataset", "pip install webdataset"),
        Reader("timm", f"{__name__}.timm", "timm", "pip install timm", needs_labels=True),
        Reader("wids", f"{__name__}.wids", "wids", "pip install wids torch"),
        Reader("lmdb", f"{__name__}.lmdb", "lmdb", "pip install lmdb"),
        Reader(
            "ffcv",
            f"{__name__}.ffcv",
            "ffcv",
            "apt-get install g++ pkg-config libopencv-dev libturbojpeg0-dev && "
            "pip install torch ffcv",
        ),
        Reader("tfrecord", f"{__name__}.tfrecord", "tfrecord", "pip install tfrecord"),
        Reader("pyarrow", f"{__name__}.pyarrow", "pyarrow", "pip install pyarrow"),
        Reader(
            "streaming",
            f"{__name__}.streaming",
            "streaming",
            "pip install mosaicml-streaming",
            distributions=("mosaicml-streaming",),
        ),
        Reader(
            "torchvision",
            f"{__name__}.torchvision",
            "torchvision",
            "pip install torchvision",
            needs_labels=True,
        ),
        Reader(
            "DALI",
            f"{__name__}.dali",
            "nvidia.dali",
            "pip install nvidia-dali-cuda130",
            distributions=("nvidia-dali-cuda130", "nvidia-dali-cuda120"),
        ),
    )
}


def of_format(name: str) -> tuple[Reader, ...]:
    """Return the libraries that the format `name` names as its readers.

    Raises:
        ValueError: if there is no such format, or no such library.
    """
    names = formats.get(name).READERS
    for reader in names:
        one_of(f"reader of {name}", reader, READERS)
    return tuple(READERS[reader] for reader in names)


def formats_of(reader: Reader) -> list[str]:
    """Return the formats that name a library as their reader."""
    return [name for name in formats.FORMATS if reader.name in formats.get(name).READERS]


def in_one_line(error: Exception) -> str:
    """Return what a library raised, without the middle where its text has a stack trace."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    half = _MAX_TEXT // 2
    return text if len(text) <= _MAX_TEXT else f"{text[:half]} ... {text[-half:]}"
