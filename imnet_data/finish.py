"""The end of a conversion: manifest, index, sums and description from the shards' journals."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from imnet_data import index, labels, manifest, shard_writer
from imnet_data.description import FILE_NAME as DESCRIPTION
from imnet_data.description import Description, ShardFile, SplitDescription
from imnet_data.errors import ConvertError
from imnet_data.formats import ShardSummary
from imnet_data.pool import Step
from imnet_data.shard_writer import ShardJob, file_sha256, write_whole
from imnet_data.staging import LABELS, SUMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imnet_data.manifest import Entry
    from imnet_data.shard_writer import JournalHead, Writing


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
    sums = writing.stage / f"{SUMS}.part"
    with sums.open("w") as lines:
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
        lines.write(f"{write_whole(writing.stage / LABELS, labels_tsv(classes))}  {LABELS}\n")
    sums.rename(writing.stage / SUMS)
    write_whole(writing.stage / DESCRIPTION, content)


def _finish_split(
    writing: Writing, split: str
) -> tuple[SplitDescription, Iterable[tuple[str, str]]]:
    """Write manifest, index and side files of a split; give names and hashes of all its files."""
    planned = writing.plans[split]
    numbers = range(planned.shard_count)
    heads = [
        shard_writer.read_journal_head(writing.journal(ShardJob(split, number)))
        for number in numbers
    ]
    builder = index.Builder(writing.labels)
    digest = _write_manifest(writing, split, builder.watch(writing.entries(split, numbers)))
    if not builder.record_count:
        raise ConvertError(f"{split}: every record was skipped as bad; look at --bad")
    content = index.to_bytes(builder.table(digest))
    write_whole(writing.stage / split / index.FILE_NAME, content)
    described = SplitDescription(
        record_count=builder.record_count,
        order=planned.order,
        digest=digest,
        fixes=dict(sorted(builder.fixes.items())),
        skipped=_total(head.skipped for head in heads),
        not_seekable=_total(head.not_seekable for head in heads),
        shards=tuple(
            ShardFile(name=head.name, record_count=head.record_count, nbytes=head.nbytes)
            for head in heads
        ),
    )
    return described, _sums(writing, split, heads)


def _write_manifest(writing: Writing, split: str, entries: Iterable[Entry]) -> str:
    path = writing.stage / split / manifest.FILE_NAME
    part = path.with_name(f"{path.name}.part")
    digest = manifest.write(part, entries)
    part.rename(path)
    return digest


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _sums(writing: Writing, split: str, heads: Sequence[JournalHead]) -> Iterator[tuple[str, str]]:
    """Give name and hash of every file of a split, relative to its folder."""
    directory = writing.stage / split
    for head in heads:
        if head.name:
            yield head.name, head.sha256
        yield from head.side_files.items()
    shards = [ShardSummary(head.name, head.record_count, head.nbytes) for head in heads]
    for name, content in writing.format.split_side_files(split, shards).items():
        yield name, write_whole(directory / name, content)
    for name in (manifest.FILE_NAME, index.FILE_NAME):
        yield name, file_sha256(directory / name)
    if not heads[0].name:  # a folder: the hash of a record is that of its file
        for entry in writing.entries(split, range(len(heads))):
            yield shard_writer.file_of(entry), entry.sha256


def summaries(split: SplitDescription) -> list[ShardSummary]:
    """Give what side files say of the shards of a split."""
    return [ShardSummary(shard.name, shard.record_count, shard.nbytes) for shard in split.shards]


def labels_tsv(classes: Sequence[str]) -> bytes:
    """Give labels.tsv: index, wnid and words of each class."""
    words = labels.words_of()
    rows = (f"{label}\t{wnid}\t{words.get(wnid, '')}\n" for label, wnid in enumerate(classes))
    return ("index\twnid\twords\n" + "".join(rows)).encode()
