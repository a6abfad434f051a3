"""What can go wrong with the data, as one tree; `except ImnetError` catches all of it.

ImnetError
├── SourceError      an input (tarball, tree, devkit) is not what it should be
├── LabelError       a wnid or a label table does not belong here
├── ImageError       the bytes of one image are not what a JPEG should be
│   ├── UnsupportedJpeg  a JPEG that the native decoder does not take
│   ├── NotSeekable      a JPEG that cannot be made seekable, and back, without loss
│   └── NotPackable      a JPEG that cannot be packed, and back, without loss
├── FormatError      a shard is damaged, or of another format
├── SplitError       a split that is asked for is not there
├── ManifestError    a manifest, index or dataset.json is damaged
├── StorageError     an object of a store cannot be read or written, or is not what it should be
├── OutputError      an output file is there already, or cannot be written
├── ConvertError     a conversion cannot start, or not go on
├── EvaluationError  a measurement would not be of what it says
├── TrainError       a training run cannot start, or not go on
├── MissingExtra     a package that this needs is not installed
├── WorkerKilled     a process that did a part of long work was killed
├── ClusterError     a Ray cluster is not there, or cannot do what it is given
└── Stopped          long work was stopped before its end

A caller's mistake (a bad argument) is a ValueError, not one of these.

What to do about damage is worded here, too, so that all messages name the same command.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def verify_command(
    path: str | os.PathLike[str] = "DATASET", *, decodes: bool = False, repairs: bool = False
) -> str:
    """Return the command that checks, or repairs, what is at `path`, as a message has it."""
    options = f"{' --decode' if decodes else ''}{' --repair SOURCE' if repairs else ''}"
    return f"`imnet-data verify {shlex.quote(str(path))}{options}`"


REPAIR = f"run {verify_command(repairs=True)}, or copy the dataset again"


class ImnetError(Exception):
    """Base of all errors about data; its text says what was wrong, where, and what to do next."""


class SourceError(ImnetError):
    """An input is not what it should be: cut short, of another shape, or unsafe."""


class LabelError(ImnetError):
    """A wnid or a label table does not belong to this dataset."""


class ImageError(ImnetError):
    """The bytes of one image are not what a JPEG should be."""


class UnsupportedJpeg(ImageError):
    """A JPEG that the native decoder does not take: progressive, CMYK, 12 bits, ..."""


class NotSeekable(ImageError):
    """A JPEG that cannot be made seekable so that the original bytes can be had back."""


class NotPackable(ImageError):
    """A JPEG that cannot be packed so that the original bytes can be had back."""


class FormatError(ImnetError):
    """A shard is damaged, or was not written in the format it is opened as."""


class SplitError(ImnetError):
    """A split that is asked for is not there."""


class ManifestError(ImnetError):
    """A manifest, an index or a dataset.json is damaged, or they do not belong together."""


class StorageError(ImnetError):
    """An object of a store cannot be read or written, or is not what it should be."""


class OutputError(ImnetError):
    """An output would replace what is there already, or cannot be written."""


class ConvertError(ImnetError):
    """A conversion cannot start, or cannot go on."""


class EvaluationError(ImnetError):
    """A measurement would not be of what it says: records missing or twice, other classes."""


class TrainError(ImnetError):
    """A training run cannot start, or cannot go on."""


class MissingExtra(ImnetError):
    """A package that this needs is not installed; the text has the pip line."""


class WorkerKilled(ImnetError):
    """A process that did a part of long work was killed, by the system or by a fault of its own."""


class ClusterError(ImnetError):
    """A Ray cluster is not there, or cannot do what it is given."""


class Stopped(ImnetError):
    """Long work was stopped before its end, by Ctrl-C or because another part of it failed."""
