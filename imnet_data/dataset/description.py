"""`dataset.json`: what a dataset is and what made it; it is written last.

Options are stored as they were resolved, so that a conversion of the dataset inherits them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from imnet_data.arguments import integer, number, one_of
from imnet_data.dataset.manifest import VERDICTS
from imnet_data.errors import REPAIR, ManifestError
from imnet_data.formats import FORMATS
from imnet_data.imagenet.labels import CONVENTIONS, LISTS, is_wnid
from imnet_data.imagenet.variants import ILSVRC2012
from imnet_data.machine.open_file import OpenFile, explained
from imnet_data.rng import require_seed

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME = "dataset.json"
VERSION = 3  # of what is written; docs/dataset.md says what each version has
READABLE = range(1, VERSION + 1)
_MAX_NBYTES = 256 << 20  # a million shards have a tenth of it
_PLAIN_NAME = re.compile(r"\w[\w.-]*", re.ASCII)

BadPolicy = Literal["fix", "error", "skip", "keep"]
Order = Literal["shuffled", "sorted"]
Jpeg = Literal["seekable", "packed", "original"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides the bytes of a dataset; None means: as the source dataset has it, or default."""

    order: Order | None = None  # default: shuffled for train, sorted for the others
    seed: int | None = None  # default 0
    shard_nbytes: int | None = None  # of published images per shard; default: that of the format
    bad: BadPolicy | None = None  # what is done about bad images; default fix
    boxes: bool | None = None  # whether bounding boxes travel along; default no
    max_side: int | None = None  # pixels; larger images are resized and encoded again
    short_side: int | None = None  # likewise, for the shorter side
    resize: int | None = None  # likewise, to a square of this side
    quality: int | None = None  # of what is encoded again; default 90
    classes: tuple[str, ...] | None = None  # wnids to take, or ("found",); default: all known
    hierarchy: str | None = None  # file in which `classes` have others below them, taken with them
    min_images: int | None = None  # of train, that a class must have to be taken
    val_first: int | None = None  # images of each class of train that become val, the first by key
    limit: int | None = None  # records per split, drawn by the seed
    raw: float | None = None  # share of the images stored as pixels, by a format that holds them
    jpeg: Jpeg | None = None  # as what JPEGs are stored; default: as the format prefers
    labels: str | None = None  # label space of the integers that a source has as labels
    frames: tuple[str, str] | None = (
        None  # of VID: ("every", N), or ("list", a file of FGFA's kind)
    )

    def __post_init__(self) -> None:
        if isinstance(self.classes, list):
            object.__setattr__(self, "classes", tuple(self.classes))
        if isinstance(self.frames, list):
            object.__setattr__(self, "frames", tuple(self.frames))
        for name, value in self.to_json().items():
            _CHECKS[name](name, value)
        if self.resize is not None and (self.max_side is not None or self.short_side is not None):
            raise ValueError("resize goes with neither max_side nor short_side; choose one of them")
        if self.hierarchy is not None and self.classes in (None, ("found",)):
            raise ValueError("hierarchy says what is below classes; name some in classes")

    @property
    def shrinks(self) -> bool:
        """Whether larger images are made smaller, and encoded again."""
        return (self.max_side, self.short_side, self.resize) != (None, None, None)

    @property
    def selects_by_train(self) -> bool:
        """Whether the records of train decide on what is in other splits."""
        return self.min_images is not None or self.val_first is not None

    def without(self, *names: str) -> Options:
        """Return these options, with some of them None."""
        return dataclasses.replace(self, **dict.fromkeys(names))

    def over(self, inherited: Options) -> Options:
        """Return these options, with what is None taken from `inherited`."""
        return dataclasses.replace(inherited, **self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return what is not None, by name."""
        return {name: value for name, value in _fields(self).items() if value is not None}


def _require_classes(name: str, value: object) -> None:
    if value == ("found",):
        return
    if not isinstance(value, tuple) or not value:
        raise ValueError(f'{name} is {value!r}; allowed are tuples of wnids, and ("found",)')
    for wnid in value:
        if not isinstance(wnid, str) or not is_wnid(wnid):
            raise ValueError(f"{name} has {wnid!r}, which is not a wnid: n and eight digits")
    if len(set(value)) < len(value):
        raise ValueError(f"{name} names a wnid twice; name each once")


def _require_label_space(name: str, value: object) -> None:
    spaces = (*CONVENTIONS, *LISTS)
    if not isinstance(value, str) or not (value in spaces or Path(value).is_file()):
        raise ValueError(
            f"{name} is {value!r}; allowed are {', '.join(spaces)}, and lists in files"
        )


def _require_file(name: str, value: object) -> None:
    if not isinstance(value, str) or not Path(value).is_file():
        raise ValueError(f"{name} is {value!r}; allowed are names of files")


def _require_frames(name: str, value: object) -> None:
    match value:
        case ("every", str(count)) if count.isdecimal() and int(count):
            return
        case ("list", str(path)) if path:
            return
    raise ValueError(f'{name} is {value!r}; allowed are ("every", "N") and ("list", "FILE")')


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "order": partial(one_of, allowed=get_args(Order)),
    "seed": require_seed,
    "shard_nbytes": partial(integer, least=1),
    "bad": partial(one_of, allowed=get_args(BadPolicy)),
    "boxes": partial(one_of, allowed=(True, False)),
    "max_side": partial(integer, least=1),
    "short_side": partial(integer, least=1),
    "resize": partial(integer, least=1),
    "quality": partial(integer, least=1, most=100),
    "classes": _require_classes,
    "hierarchy": _require_file,
    "min_images": partial(integer, least=1),
    "val_first": partial(integer, least=1),
    "limit": partial(integer, least=1),
    "raw": partial(number, least=0, most=1),
    "jpeg": partial(one_of, allowed=get_args(Jpeg)),
    "labels": _require_label_space,
    "frames": _require_frames,
}


def _fields(value: Options | ShardFile | SplitDescription) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}


def _told(split: SplitDescription) -> dict[str, Any]:
    """Return the fields of a split; without verdicts where all images are plain."""
    fields = _fields(split)
    return {name: value for name, value in fields.items() if name != "verdicts" or value}


NOTHING_ASKED = Options()
DEFAULTS = Options(seed=0, bad="fix", boxes=False, quality=90)


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
    verdicts: dict[str, int] = field(default_factory=dict)  # other than plain -> of how many images
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
    version: int = VERSION  # an earlier one where a dataset of then is repaired
    left_out: dict[str, int] = field(default_factory=dict)  # why -> how many files of the source

    def to_bytes(self) -> bytes:
        """Return the bytes of dataset.json."""
        splits = {
            name: {**_told(split), "shards": [_fields(shard) for shard in split.shards]}
            for name, split in self.splits.items()
        }
        document = {
            "version": self.version,
            "name": self.name,
            "format": self.format,
            "options": self.options.to_json(),
            "sources": [{"name": name, "nbytes": nbytes} for name, nbytes in self.sources],
            **({"left_out": self.left_out} if self.left_out else {}),
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
        document = json.loads(_content(path))
        version = document["version"]
        if version not in READABLE:
            raise ManifestError(
                f"{path}: version {version}, this program knows {READABLE[0]} to {VERSION}; "
                "update it"
            )
        if document["format"] not in FORMATS:
            raise ManifestError(
                f"{path}: format {document['format']!r}, this program knows {', '.join(FORMATS)}; "
                "update it, or import what adds the format to imnet_data.formats.FORMATS"
            )
        about = Description(
            name=document["name"],
            format=document["format"],
            options=options_of(document["options"]),
            classes=tuple(document["classes"]),
            sources=tuple((file["name"], file["nbytes"]) for file in document["sources"]),
            splits={name: _split(name, fields) for name, fields in document["splits"].items()},
            version=version,
            left_out=dict(document.get("left_out", {})),
        )
        _require_kinds(about)
        return about
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ManifestError(
            f"{root}: not a dataset: there is no {FILE_NAME}; "
            "if a conversion was stopped, run the same command again"
        ) from error
    except OSError as error:
        raise ManifestError(f"{path}: {explained(error, REPAIR)}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(f"{path}: damaged ({error}); {REPAIR}") from error


def _content(path: Path) -> bytes:
    file = OpenFile(path)
    if file.nbytes > _MAX_NBYTES:
        raise ValueError(f"it has {file.nbytes} bytes, and a description a few million at most")
    return file.read(0, file.nbytes)


def _require_kinds(about: Description) -> None:
    """Raise a ValueError if something is not text or not a count, or a class is named twice."""
    options = about.options.to_json().values()
    texts: list[object] = [about.name, *about.classes, *(name for name, _ in about.sources)]
    counts: list[object] = [*about.left_out.values(), *(nbytes for _, nbytes in about.sources)]
    for split in about.splits.values():
        texts += [split.order, split.digest, *(shard.name for shard in split.shards)]
        counts += [split.record_count, *(shard.record_count for shard in split.shards)]
        counts += [shard.nbytes for shard in split.shards]
        for named in (split.fixes, split.skipped, split.not_seekable):
            counts += dict(named).values()
        if not split.shards or not split.record_count:
            raise ValueError("a split has no shard or no record")
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{text!r} is not text")
    for count in counts:
        if type(count) is not int or not 0 <= count < 1 << 63:
            raise ValueError(f"{count!r} is not a count")
    for option in options:
        values = option if isinstance(option, tuple) else (option,)
        if not all(isinstance(value, str | int | float) for value in values):
            raise ValueError(f"{option!r} is not a value of an option")
    if not about.splits or len(set(about.classes)) < len(about.classes):
        raise ValueError("it has no split, or names a class twice")


def options_of(fields: dict[str, Any]) -> Options:
    """Return options as they are written: earlier versions wrote values that are refused today.

    Raises:
        ValueError: if there is no such option.
    """
    options = Options()
    for name, value in fields.items():
        if name not in _CHECKS:
            raise ValueError(f"unknown option {name!r}")
        object.__setattr__(options, name, tuple(value) if type(value) is list else value)
    return options


def _split(name: str, fields: dict[str, Any]) -> SplitDescription:
    shards = tuple(ShardFile(**shard) for shard in fields.pop("shards"))
    # these become paths, of files that may be replaced and of folders that --force removes
    for path in (name, *(shard.name for shard in shards if shard.name)):
        if not _PLAIN_NAME.fullmatch(path):
            raise ValueError(f"{path!r} is not the name of a split or shard")
    unknown = set(fields.get("verdicts", {})) - {*VERDICTS}
    if unknown:
        raise ValueError(f"{min(unknown)!r} is not a verdict on an image")
    return SplitDescription(shards=shards, **fields)
