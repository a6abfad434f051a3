"""The end of a conversion: manifest, index, sums and description from the shards' journals."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from imnet_data.conversion import journal
from imnet_data.conversion.written import ShardJob
from imnet_data.dataset import coco, index, index_file, manifest
from imnet_data.dataset.description import FILE_NAME as DESCRIPTION
from imnet_data.dataset.description import Description, ShardFile, SplitDescription
from imnet_data.dataset.layout import COCO, LABELS, SUMS, labels_tsv
from imnet_data.errors import ConvertError
from imnet_data.formats import ShardSummary
from imnet_data.imagenet.detection import TASKS
from imnet_data.machine import files, pool
from imnet_data.machine.files import file_sha256
from imnet_data.machine.progress import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imnet_data.conversion.journal import Head
    from imnet_data.conversion.written import Written
    from imnet_data.machine.progress import Progress

# all is synced before it gets its final name
_write = partial(files.write_whole, sync=False)
_appearing = partial(files.appearing, sync=False)


def finish(
    written: Written,
    *,
    format_name: str,
    classes: tuple[str, ...],
    source_files: tuple[tuple[str, int], ...],
    workers: int,
    left_out: dict[str, int],
    progress: Progress,
) -> None:
    """Write all that describes the dataset onto the stage, dataset.json last."""
    splits: dict[str, SplitDescription] = {}
    with _appearing(written.stage / SUMS) as part, part.open("w") as lines:
        for number, split in enumerate(written.splits):
            progress(Step(f"manifest of {split}", number, len(written.splits)))
            splits[split], described = finish_split(written, split, workers)
            lines.writelines(f"{sha256}  {split}/{name}\n" for name, sha256 in described)
        about = Description(
            name=written.name,
            format=format_name,
            options=written.options,
            classes=classes,
            sources=source_files,
            splits=splits,
            version=written.version,
            left_out=left_out,
        )
        content = about.to_bytes()
        lines.write(f"{hashlib.sha256(content).hexdigest()}  {DESCRIPTION}\n")
        lines.write(f"{_write(written.stage / LABELS, labels_tsv(classes))}  {LABELS}\n")
    _write(written.stage / DESCRIPTION, content)


def finish_split(
    written: Written, split: str, workers: int
) -> tuple[SplitDescription, Iterable[tuple[str, str]]]:
    """Write manifest, index and side files of a split; return names and hashes of all its files."""
    outline = written.splits[split]
    journals = [written.journal(ShardJob(split, number)) for number in range(outline.shard_count)]
    heads = [journal.read_head(path) for path in journals]
    record_count = sum(head.record_count for head in heads)
    if not record_count:
        raise ConvertError(f"{split}: every record was skipped as bad; see --bad")
    digest = manifest.digest(journal.identities(path) for path in journals)
    with _appearing(written.stage / split / manifest.FILE_NAME) as part:
        if written.version > 1:
            manifest.join(part, map(journal.manifest_path, journals))
        else:
            manifest.write_version_1(part, written.entries(split, range(len(heads))))
    pieces = (
        (journal.index_of(path), head.fixes) for path, head in zip(journals, heads, strict=True)
    )
    table = index.joined(pieces)._replace(digest=digest)
    with _appearing(written.stage / split / index_file.FILE_NAME) as part, part.open("wb") as file:
        index_file.write(file, table, version=written.version)
    if written.name in TASKS:
        _write_coco(written, split, range(len(heads)))
    described = SplitDescription(
        record_count=record_count,
        order=outline.order,
        digest=digest,
        fixes=_total(head.fixes for head in heads),
        skipped=_total(head.skipped for head in heads),
        not_seekable=_total(head.not_seekable for head in heads),
        verdicts=table.verdict_counts(),
        shards=tuple(
            ShardFile(name=head.name, record_count=head.record_count, nbytes=head.nbytes)
            for head in heads
        ),
    )
    return described, _sums(written, split, heads, workers)


def _write_coco(written: Written, split: str, shards: Sequence[int]) -> None:
    found = coco.pieces(lambda: written.entries(split, shards), task=written.name, split=split)
    with _appearing(written.stage / split / COCO) as part, part.open("wb") as file:
        file.writelines(found)


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _sums(
    written: Written, split: str, heads: Sequence[Head], workers: int
) -> Iterator[tuple[str, str]]:
    """Yield name and hash of every file of a split, relative to its folder."""
    directory = written.stage / split
    for head in heads:
        if head.name:
            yield head.name, head.sha256
        yield from head.side_files.items()
    described = [ShardSummary(head.name, head.record_count, head.nbytes) for head in heads]
    for name, content in written.format.split_side_files(split, described).items():
        yield name, _write(directory / name, content)
    more = [COCO] if written.name in TASKS else []
    for name in (manifest.FILE_NAME, index_file.FILE_NAME, *more):
        yield name, file_sha256(directory / name)
    if written.format.record_file is not None:
        shards = range(len(heads))
        for sums in pool.run_in_order(
            partial(_record_sums, written, split), shards, workers=workers
        ):
            yield from sums


def _record_sums(written: Written, split: str, shard: int) -> list[tuple[str, str]]:
    """Return name and hash of the file of each record of a shard."""
    record_file = written.format.record_file
    assert record_file is not None
    return [
        (record_file(entry.wnid, entry.key), entry.stored_sha256 or entry.sha256)
        for entry in written.entries(split, [shard])
    ]
