"""The end of a conversion: manifest, index, sums and description from the shards' journals."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.conversion import journal
from imnet_data.conversion.shard import ShardJob
from imnet_data.dataset import index, manifest
from imnet_data.dataset.description import FILE_NAME as DESCRIPTION
from imnet_data.dataset.description import Description, ShardFile, SplitDescription
from imnet_data.dataset.layout import LABELS, SUMS, labels_tsv
from imnet_data.errors import ConvertError
from imnet_data.formats import ShardSummary
from imnet_data.machine import files
from imnet_data.machine.files import file_sha256
from imnet_data.machine.progress import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.conversion.journal import Head
    from imnet_data.conversion.shard import Writing

_write = partial(files.write_whole, sync=False)  # all is synced before it gets its final name


def finish(
    writing: Writing,
    *,
    name: str,
    format_name: str,
    classes: tuple[str, ...],
    source_files: tuple[tuple[str, int], ...],
    progress: Callable[[Step], None],
) -> None:
    """Write all that describes the dataset onto the stage, dataset.json last."""
    splits: dict[str, SplitDescription] = {}
    with _appearing(writing.stage / SUMS) as part, part.open("w") as lines:
        for number, split in enumerate(writing.plans):
            progress(Step(f"manifest of {split}", number, len(writing.plans)))
            splits[split], described = _finish_split(writing, split)
            lines.writelines(f"{sha256}  {split}/{name}\n" for name, sha256 in described)
        about = Description(
            name=name,
            format=format_name,
            options=writing.options,
            classes=classes,
            sources=source_files,
            splits=splits,
        )
        content = about.to_bytes()
        lines.write(f"{hashlib.sha256(content).hexdigest()}  {DESCRIPTION}\n")
        lines.write(f"{_write(writing.stage / LABELS, labels_tsv(classes))}  {LABELS}\n")
    _write(writing.stage / DESCRIPTION, content)


def _finish_split(
    writing: Writing, split: str
) -> tuple[SplitDescription, Iterable[tuple[str, str]]]:
    """Write manifest, index and side files of a split; give names and hashes of all its files."""
    planned = writing.plans[split]
    journals = [writing.journal(ShardJob(split, number)) for number in range(planned.shard_count)]
    heads = [journal.read_head(path) for path in journals]
    record_count = sum(head.record_count for head in heads)
    if not record_count:
        raise ConvertError(f"{split}: every record was skipped as bad; look at --bad")
    digest = manifest.digest(journal.identities(path) for path in journals)
    with _appearing(writing.stage / split / manifest.FILE_NAME) as part:
        manifest.write(part, (journal.lines(path) for path in journals))
    tables = [journal.table(path) for path in journals]
    table = index.joined(tables, [head.fixes for head in heads], digest)
    with _appearing(writing.stage / split / index.FILE_NAME) as part, part.open("wb") as file:
        np.save(file, table)
    described = SplitDescription(
        record_count=record_count,
        order=planned.order,
        digest=digest,
        fixes=_total(head.fixes for head in heads),
        skipped=_total(head.skipped for head in heads),
        not_seekable=_total(head.not_seekable for head in heads),
        shards=tuple(
            ShardFile(name=head.name, record_count=head.record_count, nbytes=head.nbytes)
            for head in heads
        ),
    )
    return described, _sums(writing, split, heads)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Yield the name that a file has until it is whole."""
    part = path.with_name(f"{path.name}.part")
    yield part
    part.rename(path)


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _sums(writing: Writing, split: str, heads: Sequence[Head]) -> Iterator[tuple[str, str]]:
    """Yield name and hash of every file of a split, relative to its folder."""
    directory = writing.stage / split
    for head in heads:
        if head.name:
            yield head.name, head.sha256
        yield from head.side_files.items()
    shards = [ShardSummary(head.name, head.record_count, head.nbytes) for head in heads]
    for name, content in writing.format.split_side_files(split, shards).items():
        yield name, _write(directory / name, content)
    for name in (manifest.FILE_NAME, index.FILE_NAME):
        yield name, file_sha256(directory / name)
    if (record_file := writing.format.record_file) is not None:
        for entry in writing.entries(split, range(len(heads))):
            yield record_file(entry.wnid, entry.key), entry.stored_sha256 or entry.sha256
