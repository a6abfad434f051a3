"""`dataset.json`: what a dataset is and what made it; it is written last.

Options are stored as they were resolved, so that a conversion of the dataset goes on with them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from imnet_data.errors import ManifestError
from imnet_data.imagenet.variants import ILSVRC2012

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "dataset.json"
VERSION = 1
_PLAIN_NAME = re.compile(r"\w[\w.-]*", re.ASCII)

BadPolicy = Literal["fix", "error", "skip", "keep"]
Order = Literal["shuffled", "sorted"]
Jpeg = Literal["seekable", "original"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides the bytes of a dataset; None means: as the source dataset has it, or default."""

    order: Order | None = None  # default: shuffled for train, sorted for the others
    seed: int | None = None  # default 0
    shard_nbytes: int | None = None  # of published images a shard; default: as the format likes
    bad: BadPolicy | None = None  # what is done about bad images; default fix
    boxes: bool | None = None  # whether bounding boxes travel along; default no
    max_side: int | None = None  # pixels; larger images are resized and encoded again
    short_side: int | None = None  # likewise, for the shorter side
    quality: int | None = None  # of what is encoded again; default 90
    classes: tuple[str, ...] | None = None  # wnids to take, or ("found",); default: all known
    limit: int | None = None  # records a split, drawn by the seed
    raw: float | None = None  # share of the images stored as pixels (beton only)
    jpeg: Jpeg | None = None  # as what JPEGs are stored; default seekable, original for a folder

    def over(self, inherited: Options) -> Options:
        """Return these options, with what is None taken from `inherited`."""
        return dataclasses.replace(inherited, **self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return what is not None, by name."""
        return {name: value for name, value in _fields(self).items() if value is not None}


DEFAULTS = Options(seed=0, bad="fix", boxes=False, quality=90)


NOTHING_ASKED = Options()


def _fields(value: Options | ShardFile | SplitDescription) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}


@dataclass(frozen=True, kw_only=True)
class ShardFile:
    """One shard of a split."""

    name: str
    record_count: int
    nbytes: int


@dataclass(frozen=True, kw_only=True)
class SplitDescription:
    """One split."""

    record_count: int
    order: Order
    digest: str  # of the manifest
    fixes: dict[str, int] = field(default_factory=dict)  # what was done -> to how many, sorted
    skipped: dict[str, int] = field(default_factory=dict)  # why -> how many left out
    not_seekable: dict[str, int] = field(default_factory=dict)  # why -> how many stored as they are
    shards: tuple[ShardFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Description:
    """The whole of dataset.json."""

    name: str = ILSVRC2012  # or a variant's: what says which classes its images can be of
    format: str
    options: Options
    classes: tuple[str, ...]  # sorted wnids; a label is a position in it
    sources: tuple[tuple[str, int], ...]  # name and nbytes of the files it came from
    splits: dict[str, SplitDescription]

    def to_bytes(self) -> bytes:
        """Return the bytes of dataset.json."""
        splits = {
            name: {**_fields(split), "shards": [_fields(shard) for shard in split.shards]}
            for name, split in self.splits.items()
        }
        document = {
            "version": VERSION,
            "name": self.name,
            "format": self.format,
            "options": self.options.to_json(),
            "sources": [{"name": name, "nbytes": nbytes} for name, nbytes in self.sources],
            "splits": splits,
            "classes": self.classes,
        }
        return (json.dumps(document, indent=1) + "\n").encode()


def read(root: Path) -> Description:
    """Read the description of the dataset at `root`.

    Raises:
        ManifestError: if there is none, or it is damaged.
    """
    path = root / FILE_NAME
    try:
        document = json.loads(path.read_bytes())
        if document["version"] != VERSION:
            raise ManifestError(
                f"{path}: version {document['version']}, this program knows {VERSION}; update it"
            )
        return Description(
            name=document["name"],
            format=document["format"],
            options=_options(document["options"]),
            classes=tuple(document["classes"]),
            sources=tuple((file["name"], file["nbytes"]) for file in document["sources"]),
            splits={name: _split(name, fields) for name, fields in document["splits"].items()},
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ManifestError(
            f"{root}: not a dataset, there is no {FILE_NAME}; "
            "if a conversion was stopped, run the same command again"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"{path}: damaged ({error}); copy the dataset again") from error


def _options(fields: dict[str, Any]) -> Options:
    if "classes" in fields:
        fields["classes"] = tuple(fields["classes"])
    return Options(**fields)


def _split(name: str, fields: dict[str, Any]) -> SplitDescription:
    shards = tuple(ShardFile(**shard) for shard in fields.pop("shards"))
    # these become paths, of files that may be replaced and of folders that --force removes
    for path in (name, *(shard.name for shard in shards if shard.name)):
        if not _PLAIN_NAME.fullmatch(path):
            raise ValueError(f"{path!r} is no name of a split or shard")
    return SplitDescription(shards=shards, **fields)
