"""What is in a dataset or a source, as numbers; and what is known of one record.

All of a dataset's numbers come from dataset.json and the columns of index.npy, so that it takes
no longer than reading these, whatever the size of the images. A hash comes from the manifest.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from imnet_data import arguments
from imnet_data.dataset import description, opened
from imnet_data.dataset.manifest import VERDICTS
from imnet_data.dataset.opened import Dataset
from imnet_data.dataset.remote import is_remote_dataset
from imnet_data.dataset.stored import restored
from imnet_data.errors import ManifestError, verify_command
from imnet_data.imagenet import labels
from imnet_data.inspection import in_store
from imnet_data.jpeg import Verdict
from imnet_data.sources import report
from imnet_data.sources.opening import open_any
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.manifest import Entry
    from imnet_data.record import Records


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How numbers are spread; each of these is one of the numbers, none is interpolated."""

    minimum: int
    p5: int  # percentiles
    median: int
    p95: int
    maximum: int


@dataclass(frozen=True, kw_only=True)
class SplitSummary:
    """What is in one split; what a source cannot know is None."""

    record_count: int
    unlabelled_count: int
    class_count: int  # of the classes that have a record
    records_per_class: Spread | None  # over those classes
    images_nbytes: int
    image_nbytes: Spread
    width: Spread | None = None  # pixels
    height: Spread | None = None
    box_count: int | None = None
    fixes: dict[str, int] | None = None  # what was done -> to how many
    skipped: dict[str, int] | None = None  # why -> how many were left out
    verdicts: dict[str, int] | None = None  # on images, other than plain -> on how many
    order: str | None = None
    shard_count: int | None = None
    shards_nbytes: int | None = None
    digest: str | None = None  # of the manifest


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is in a dataset, or in a source."""

    format: str | None  # None for a source
    class_count: int  # of the class list, whether they have records or not
    is_ilsvrc2012: bool  # whether the class list is that of ILSVRC2012
    label_spaces: dict[str, int]  # name of a list -> how many of the classes it has
    sources: dict[str, int]  # name -> nbytes of the files it came from
    splits: dict[str, SplitSummary]
    options: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)  # why -> how many files of the source
    report: tuple[str, ...] = ()  # what a source holds and what is left out, in lines


@dataclass(frozen=True, kw_only=True)
class RecordSummary:
    """What is known of one record."""

    split: str
    index: int
    key: str
    wnid: str  # "" where there is no label
    words: str
    labels: dict[str, int]  # by label space, of those that have the class
    width: int  # pixels
    height: int
    nbytes: int
    published_nbytes: int
    fix: str
    verdict: str  # of the examination of what is stored; "" where there was none
    boxes: tuple[tuple[int, int, int, int], ...]
    shard: str  # path below the dataset's folder
    offset: int
    stored_as: str  # "original", "seekable", "packed" or "pixels"
    sha256: str  # of the JPEG, as the manifest has it
    stored_sha256: str  # of the bytes in the shard, likewise
    is_sound: bool  # whether the bytes in the shard, and the JPEG restored from them, have these


def summary(path: StrPath, *, label_space: str | None = None, split: str | None = None) -> Summary:
    """Return what is in the dataset or the source at `path`.

    Args:
        path: a dataset or a source, or the URL of one.
        label_space: that of the integers that a source has as labels.
        split: the one split of a source that is wanted, and what files are whose names say none.

    Raises:
        ImnetError: if it is neither, or is damaged.
    """
    if address.is_url(path):
        if not is_remote_dataset(str(path)):
            return _of_source(str(path), label_space, split)
        with in_store.indexed(str(path)) as brought:
            return _of_dataset(brought.root)
    path = arguments.path("path", path)
    if opened.is_dataset(path) and label_space is None:
        return _of_dataset(path)
    return _of_source(path, label_space, split)


def _of_dataset(root: Path) -> Summary:
    about = description.read(root)
    return Summary(
        format=about.format,
        class_count=len(about.classes),
        is_ilsvrc2012=labels.fingerprint(about.classes) == labels.WNIDS_SHA256,
        label_spaces=_label_spaces(about.classes),
        sources=dict(about.sources),
        splits={split: _of_split(Dataset.open(root, split)) for split in about.splits},
        options=about.options.to_json(),
        left_out=about.left_out,
    )


def _label_spaces(classes: Sequence[str]) -> dict[str, int]:
    return {name: len(at.keys() & set(classes)) for name, at in _in_lists().items()}


def _of_split(opened: Dataset) -> SplitSummary:
    described, index = opened.split_description, opened.index
    class_counts = np.bincount(index.label[index.label >= 0])
    return dataclasses.replace(
        _of_columns(class_counts, index.nbytes),
        width=_spread(index.width),
        height=_spread(index.height),
        box_count=len(index.boxes),
        fixes=described.fixes,
        skipped=described.skipped,
        verdicts=index.verdict_counts(),
        order=described.order,
        shard_count=len(described.shards),
        shards_nbytes=sum(shard.nbytes for shard in described.shards),
        digest=described.digest,
    )


def _of_source(path: Path | str, label_space: str | None, split: str | None) -> Summary:
    source = open_any([path], labels=label_space, split=split)
    try:
        classes = source.classes if source.classes is not None else labels.ilsvrc2012_wnids()
        return Summary(
            format=None,
            class_count=len(classes),
            is_ilsvrc2012=labels.fingerprint(sorted(classes)) == labels.WNIDS_SHA256,
            label_spaces=_label_spaces(classes),
            sources={file.name: file.nbytes for file in source.files},
            splits={split: _of_records(records) for split, records in source.splits.items()},
            left_out={name: reason.count for name, reason in source.left_out.items()},
            report=(*report.found(source), *report.left_out(source)),
        )
    finally:
        source.close()


def _of_records(records: Records) -> SplitSummary:
    listing = records.listing
    _, class_counts = np.unique(listing.wnids[listing.wnids != b""], return_counts=True)
    return _of_columns(class_counts, listing.nbytes)


def _of_columns(class_counts: NDArray[np.int64], nbytes: NDArray[np.int64]) -> SplitSummary:
    present = class_counts[class_counts > 0]
    return SplitSummary(
        record_count=len(nbytes),
        unlabelled_count=len(nbytes) - int(present.sum()),
        class_count=len(present),
        records_per_class=_spread(present) if len(present) else None,
        images_nbytes=int(nbytes.sum()),
        image_nbytes=_spread(nbytes),
    )


def _spread(values: NDArray[np.integer]) -> Spread:
    ranks = np.rint((len(values) - 1) * np.array([0, 0.05, 0.5, 0.95, 1])).astype(np.int64)
    minimum, p5, median, p95, maximum = np.partition(values, ranks)[ranks].tolist()
    return Spread(minimum=minimum, p5=p5, median=median, p95=p95, maximum=maximum)


def keys_by_verdict(
    root: StrPath, verdict: str, split: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield split and key of each record whose image has a verdict, as the index has it.

    Args:
        root: the folder that holds dataset.json, or its URL.
        verdict: one of `jpeg.Verdict`.
        split: by default all.

    Raises:
        ImnetError: if the dataset cannot be read.
    """
    if address.is_url(root):
        with in_store.indexed(str(root)) as brought:
            yield from keys_by_verdict(brought.root, verdict, split)
        return
    root = arguments.path("root", root)
    code = VERDICTS.index("" if verdict == Verdict.PLAIN else Verdict(verdict).value)
    for name in description.read(root).splits if split is None else (split,):
        with Dataset.open(root, name) as dataset:
            for row in np.flatnonzero(dataset.index.verdict == code).tolist():
                yield name, dataset.index.key[row].decode()


def record(root: StrPath, which: str, split: str | None = None) -> tuple[RecordSummary, bytes]:
    """Return what is known of one record, and its JPEG, restored if it is sound.

    Args:
        root: the folder that holds dataset.json, or its URL.
        which: a key, or else a position, from the end if it is negative.
        split: by default the one that has the key; for a position, that of `Dataset.open`.

    Raises:
        LookupError: if there is no such record.
        ImnetError: if the dataset or the record cannot be read.
    """
    if address.is_url(root):
        with in_store.indexed(str(root)) as brought:
            return _record(brought.root, which, split, partial(in_store.stored, brought))
    return _record(arguments.path("root", root), which, split, Dataset.stored)


def _record(
    root: Path, which: str, split: str | None, stored: Callable[[Dataset, int], bytes]
) -> tuple[RecordSummary, bytes]:
    opened, position = _find(root, which, split)
    with opened:
        content = stored(opened, position)
        entry = opened.entry(position)
        shown = _of_entry(opened, position, entry, content)
        if shown.is_sound and entry.stored in ("seekable", "packed"):
            content = restored(content, entry.stored)
            shown = replace(shown, is_sound=_sha256(content) == shown.sha256)
        return shown, content


def _find(root: Path, which: str, split: str | None) -> tuple[Dataset, int]:
    splits = tuple(description.read(root).splits) if split is None else (split,)
    for name in splits:
        opened = Dataset.open(root, name)
        found = np.flatnonzero(opened.index.key == which.encode())
        if len(found):
            return opened, int(found[0])
    opened = Dataset.open(root, split)
    if not which.removeprefix("-").isdecimal():
        raise LookupError(f"no record has the key {which!r} in {', '.join(splits)}")
    if not -len(opened) <= int(which) < len(opened):
        raise LookupError(f"no record {which} in {opened.split}, which has {len(opened)}")
    return opened, int(which) % len(opened)


def _of_entry(opened: Dataset, position: int, entry: Entry, content: bytes) -> RecordSummary:
    stored_sha256 = entry.stored_sha256 or entry.sha256
    path = opened.shard_paths[entry.shard]
    return RecordSummary(
        split=opened.split,
        index=position,
        key=entry.key,
        wnid=entry.wnid,
        words=labels.words_of().get(entry.wnid, ""),
        labels=_labels(opened, entry.wnid),
        width=entry.width,
        height=entry.height,
        nbytes=entry.nbytes,
        published_nbytes=entry.published_nbytes or entry.nbytes,
        fix=entry.fix,
        verdict=entry.verdict or ("plain" if _is_examined(opened, entry) else ""),
        boxes=entry.boxes,
        shard=path.relative_to(opened.root).as_posix(),
        offset=entry.offset,
        stored_as=entry.stored or "original",
        sha256=entry.sha256,
        stored_sha256=stored_sha256,
        is_sound=_sha256(content) == stored_sha256,
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_examined(opened: Dataset, entry: Entry) -> bool:
    return opened.about.version > 1 and entry.stored != "pixels"


def _labels(opened: Dataset, wnid: str) -> dict[str, int]:
    if not wnid:
        return {}
    if wnid not in opened.classes:
        raise ManifestError(
            f"{opened.directory}: the manifest has {wnid}, which {description.FILE_NAME} has not; "
            f"run {verify_command(opened.root)}"
        )
    found = {name: labels.integers(opened.classes, name)[wnid] for name in ("sorted", "tf")}
    if wnid in labels.words_of():
        found["ilsvrc"] = labels.integers((wnid,), "ilsvrc")[wnid]
    return found | {name: at[wnid] for name, at in _in_lists().items() if wnid in at}


@functools.cache
def _in_lists() -> dict[str, dict[str, int]]:
    return {name: labels.integers(labels.wnids_of(name), name) for name in labels.LISTS}


def to_json(shown: Summary | RecordSummary) -> str:
    """Return one JSON document, with names as here."""
    return json.dumps(dataclasses.asdict(shown), indent=1)
