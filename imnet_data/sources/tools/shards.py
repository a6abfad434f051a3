"""WebDataset shards of other tools, read in place: timm's on the Hub, and any of the same kind.

    imagenet1k-train-0000.tar     n01440764_10026.{cls,jpg,json}
    info.json, _info.json         timm's: the files of each split, and their numbers of images

A record is a run of members with one name up to the first dot: an image (jpg, jpeg, png, webp ...)
and, beside it, `cls` (an integer or a wnid) or `json` (`label`, and `class_name` where it is a
wnid); other members are not looked at. All shards together are one container; a place is a position
in them, one after another.

Source: huggingface/pytorch-image-models, timm/data/readers/reader_wds.py (`info.json`, and
`alt_label` in it); webdataset/webdataset, src/webdataset/tariterators.py.
"""

from __future__ import annotations

import json
from contextlib import closing
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from imnet_data.archives import tar
from imnet_data.archives.containers import Entry
from imnet_data.archives.joined import Joined
from imnet_data.errors import SourceError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.imagenet.split_names import split_of
from imnet_data.sources import find, first_bytes
from imnet_data.sources.names import IMAGE_SUFFIXES
from imnet_data.sources.tools import numbering, parts
from imnet_data.storage.ahead import ahead_of
from imnet_data.storage.place import open_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imnet_data.machine.open_file import ReadAt
    from imnet_data.storage.place import Place

WHAT = "WebDataset shards"
Where = TypeVar("Where", bound="Place")

_SUFFIX = ".tar"
_INFO = ("info.json", "_info.json")
_MAX_ABOUT_NBYTES = 1 << 20
_OURS = {"key", "wnid", "width", "height"}  # in the json of a dataset of this program


def is_shard(path: Place) -> bool:
    """Return whether a file is a tar of images with their labels beside them."""
    if not path.name.endswith(_SUFFIX) or not path.is_file():
        return False
    with closing(open_place(path)) as file:
        found = tar.members(_pread(ahead_of(file)), end=file.nbytes, archive=path.name)
        try:
            names = [member.name for member in islice(found, first_bytes.PEEKED)]
        except SourceError:
            return False  # the walk over all of it says what is wrong
    return first_bytes.is_shard(names)


def files_among(files: Sequence[Where], *, alone: bool) -> list[Where]:
    """Return the tars that are neither official ones nor of one class, if the first is a shard."""
    found = [
        path
        for path in files
        if path.name.endswith(_SUFFIX)
        and (alone or not (find.is_class_archive(path.name) or find.is_known(path)))
    ]
    return found if found and is_shard(found[0]) else []


def opened(paths: Sequence[Place], *, split: str | None, labels: str | None) -> Shards:
    """Open the shards as one container."""
    return Shards(paths, split=split, labels=labels)


def splits_of(paths: Sequence[Place]) -> list[str]:
    """Return the split of each shard, by `info.json`, its name or its folder; or ""."""
    listed = _listed({path.parent for path in paths})
    return [listed[path].split if path in listed else parts.split_of_file(path) for path in paths]


class Shards(Joined["Place"]):
    """The images of shards, as files of a container."""

    def __init__(
        self, paths: Sequence[Place], *, split: str | None = None, labels: str | None = None
    ) -> None:
        """Read what lies beside shards; they are not opened.

        Args:
            paths: of shards.
            split: that of shards whose names, and `info.json`, say none.
            labels: the label space of their labels.

        Raises:
            SourceError: if `info.json` is damaged, or nothing says a shard's split.
        """
        super().__init__(paths)
        self._splits = [
            parts.require_split(path, found or split)
            for path, found in zip(self.paths, splits_of(self.paths), strict=True)
        ]
        listed = _listed({path.parent for path in self.paths})
        unknown = _Listed("", None)
        self._counts = [listed.get(path, unknown).image_count for path in self.paths]
        self._numbering = numbering.agreed(labels, None, where=self.name)

    def entries(self) -> Iterator[Entry]:
        """Walk all shards once."""
        for number, path in enumerate(self.paths):
            start, count = int(self.starts[number]), 0
            with closing(open_place(path)) as file:
                pread = _pread(ahead_of(file))
                end = int(self.starts[number + 1]) - start
                members = tar.members(pread, end=end, archive=str(path))
                for key, group in groupby(members, key=_key):
                    where = f"{path}, {key}"
                    record = _record(group, pread, where)
                    image = numbering.Image(record.name, record.label, self._splits[number])
                    yield Entry(
                        numbering.path_of(image, self._numbering, where=where),
                        start + record.image.offset,
                        record.image.nbytes,
                    )
                    count += 1
            if self._counts[number] not in (None, count):
                raise SourceError(
                    f"{path}: has {count} images, and {' or '.join(_INFO)} beside it says "
                    f"{self._counts[number]}; {tar.REMEDY}"
                )


def _pread(file: ReadAt) -> tar.Pread:
    return lambda nbytes, offset: file.read(offset, nbytes)


class _Record(NamedTuple):
    name: str
    label: int | None
    image: tar.Member


def _key(member: tar.Member) -> str:
    folder, slash, file = member.name.rpartition("/")
    return f"{folder}{slash}{file.partition('.')[0]}"


def _suffix(member: tar.Member) -> str:
    return member.name.rpartition("/")[2].partition(".")[2].lower()


def _record(members: Iterable[tar.Member], pread: tar.Pread, where: str) -> _Record:
    by_suffix = {_suffix(member): member for member in members}
    images = [member for suffix, member in by_suffix.items() if suffix in IMAGE_SUFFIXES]
    if len(images) != 1:
        raise SourceError(
            f"{where}: has {len(images)} images (members: {', '.join(sorted(by_suffix))[:100]}), "
            "and a record of a shard has one"
        )
    about = _about(by_suffix.get("json"), pread, where)
    label, class_name = about.get("label"), about.get("class_name")
    if "cls" in by_suffix:
        text = _content(by_suffix["cls"], pread, where).decode("utf-8", "replace").strip()
        if is_wnid(text):
            class_name = text
        elif not text.removeprefix("-").isdecimal() or label not in (None, int(text)):
            raise SourceError(
                f"{where}: its cls is {text[:40]!r}, and its json says {label}; a label is one "
                "integer, or a wnid"
            )
        else:
            label = int(text)
    if type(label) is not int and label is not None:
        raise SourceError(f"{where}: its label is {label!r}, and an integer is read")
    image = images[0]
    folder = f"{class_name}/" if isinstance(class_name, str) and is_wnid(class_name) else ""
    return _Record(f"{folder}{image.name.rpartition('/')[2]}", label, image)


def _about(member: tar.Member | None, pread: tar.Pread, where: str) -> dict[str, Any]:
    if member is None:
        return {}
    try:
        about = json.loads(_content(member, pread, where))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: its json is damaged ({error}); {tar.REMEDY}") from error
    if not isinstance(about, dict):
        raise SourceError(f"{where}: its json is no object; {tar.REMEDY}")
    if about.keys() >= _OURS:  # its JPEG may be seekable: not the published bytes
        raise SourceError(
            f"{where}: is a WebDataset shard of a dataset of this program, which is given by its "
            "folder, the one that has dataset.json"
        )
    return about


def _content(member: tar.Member, pread: tar.Pread, where: str) -> bytes:
    if member.nbytes > _MAX_ABOUT_NBYTES:
        raise SourceError(f"{where}: {member.name} has {member.nbytes} bytes, too many for a label")
    return pread(member.nbytes, member.offset)


def _content_of(path: Place) -> bytes:
    with closing(open_place(path)) as file:
        return file.read(0, file.nbytes)


class _Listed(NamedTuple):
    split: str
    image_count: int | None  # where that is said


def _listed(folders: Iterable[Place]) -> dict[Place, _Listed]:
    """Return what `info.json` says of the shards beside it."""
    found: dict[Place, _Listed] = {}
    for path in (folder / name for folder in sorted(folders, key=str) for name in _INFO):
        if not path.is_file():
            continue
        try:
            for name, about in json.loads(_content_of(path))["splits"].items():
                if split_of(name) and not about.get("alt_label"):  # those with one count some only
                    names, counts = about["filenames"], about.get("shard_lengths") or []
                    counts = counts if len(counts) == len(names) else [None] * len(names)
                    listed = (_Listed(split_of(name), count) for count in counts)
                    found |= zip((path.parent / name for name in names), listed, strict=True)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError(
                f"{path}: is damaged ({error!r}); download it again, or take it away"
            ) from error
    return found
