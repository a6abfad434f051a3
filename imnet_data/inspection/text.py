"""A Summary as text and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imnet_data.inspection.summary import RecordSummary, SplitSummary, Spread, Summary

_NONE = "-"
_VERDICTS = {
    "plain": "decoded by every reader",
    "other-decoder": "decoded by Pillow",
    "damaged": "the loaders fill what is missing, other readers may refuse it",
    "refused": "no loader takes it, nor does Pillow",
    "undecodable": "no reader decodes it",
    "not-a-jpeg": "decoded by Pillow",
}


class Row(NamedTuple):
    """One fact of all splits."""

    name: str
    values: tuple[str, ...]  # one per split


def nbytes_text(nbytes: int) -> str:
    """Return a size for people: decimal units, as disks are sold and `ls --si` prints."""
    size, units = float(nbytes), iter(("bytes", "KB", "MB", "GB", "TB"))
    unit = next(units)
    while round(size) >= 1000 and unit != "TB":
        size, unit = size / 1000, next(units)
    decimals = 1 if size < 100 and unit not in {"bytes", "KB"} else 0
    return f"{size:.{decimals}f} {unit}"


def headline(about: Summary) -> str:
    """Return a summary in one line."""
    count = sum(split.record_count for split in about.splits.values())
    nbytes = sum(split.images_nbytes for split in about.splits.values())
    classes = f"{about.class_count:,} classes" + (" (ILSVRC2012)" if about.is_ilsvrc2012 else "")
    kind = f"dataset in {about.format}" if about.format else "source, not converted"
    return f"{kind}: {count:,} images of {classes}, {nbytes_text(nbytes)}"


def split_rows(about: Summary) -> list[Row]:
    """Return the table of facts, one column per split, without facts that no split has."""
    splits = list(about.splits.values())
    rows = [
        _row("images", splits, lambda split: f"{split.record_count:,}"),
        _row("without a label", splits, lambda split: _count(split.unlabelled_count)),
        _row("classes with images", splits, lambda split: _count(split.class_count)),
        _row("images per class", splits, lambda split: _spread(split.records_per_class, _number)),
        _row("image bytes in total", splits, lambda split: nbytes_text(split.images_nbytes)),
        _row("bytes per image", splits, lambda split: _spread(split.image_nbytes, nbytes_text)),
        _row("width, pixels", splits, lambda split: _spread(split.width, _number)),
        _row("height, pixels", splits, lambda split: _spread(split.height, _number)),
        _row("boxes", splits, lambda split: _count(split.box_count)),
        *_kinds(fix_text, [split.fixes or {} for split in splits]),
        *_kinds(str, [split.skipped or {} for split in splits]),
        *_kinds(verdict_text, [split.verdicts or {} for split in splits]),
        _row("order", splits, lambda split: split.order or _NONE),
        _row("shards", splits, lambda split: _count(split.shard_count)),
        _row("bytes of the shards", splits, lambda split: _nbytes(split.shards_nbytes)),
    ]
    return [row for row in rows if set(row.values) != {_NONE}]


def _row(name: str, splits: Sequence[SplitSummary], show: Callable[[SplitSummary], str]) -> Row:
    return Row(name, tuple(show(split) for split in splits))


def _kinds(name: Callable[[str], str], counts: Sequence[dict[str, int]]) -> list[Row]:
    """Return a row for each kind that occurs in any split."""
    kinds = sorted({kind for count in counts for kind in count})
    return [
        Row(name(kind), tuple(_count(count.get(kind, 0)) for count in counts)) for kind in kinds
    ]


def fix_text(fix: str) -> str:
    """Return a fix as words, also that a bad image was kept; "" for none."""
    return fix if fix.startswith("kept") or not fix else f"fixed: {fix}"


def verdict_text(verdict: str) -> str:
    """Return a verdict on an image with what follows from it."""
    return f"{verdict}: {_VERDICTS[verdict]}"


def _number(value: int) -> str:
    return f"{value:,}"


def _count(value: int | None) -> str:
    return _number(value) if value else _NONE


def _nbytes(nbytes: int | None) -> str:
    return _NONE if nbytes is None else nbytes_text(nbytes)


def _spread(spread: Spread | None, show: Callable[[int], str]) -> str:
    if spread is None:
        return _NONE
    if spread.minimum == spread.maximum:
        return show(spread.median)
    return f"{show(spread.median)} ({show(spread.minimum)} to {show(spread.maximum)})"


def options_rows(about: Summary) -> list[tuple[str, str]]:
    """Return the options that made a dataset."""
    return [(name, _option(name, value)) for name, value in about.options.items()]


def _option(name: str, value: Any) -> str:
    if name.endswith("nbytes"):
        return f"{value:,}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(value) if len(value) <= 4 else f"{len(value)} given"
    return str(value)


def text(about: Summary) -> str:
    """Return the Summary as a table in plain text."""
    lines = [headline(about), "", *_table(about), ""]
    lines += [
        f"digest of {split}: {one.digest}" for split, one in about.splits.items() if one.digest
    ]
    spaces = ", ".join(f"{name} {count:,}" for name, count in about.label_spaces.items() if count)
    lines += [f"of these classes are in the label spaces: {spaces}"] if spaces else []
    came = "made from" if about.format else "reads"
    lines += [f"{came}: {name}, {nbytes_text(size)}" for name, size in about.sources.items()]
    options = ", ".join(f"{name} {value}" for name, value in options_rows(about))
    lines += [f"options: {options}"] if options else []
    if about.format:
        lines += [f"left out: {count:,} {why}" for why, count in about.left_out.items()]
    lines += about.report
    return "\n".join(lines)


def _table(about: Summary) -> list[str]:
    rows = [Row("median (least to most)", tuple(about.splits)), *split_rows(about)]
    widths = [max(len(row.values[column]) for row in rows) for column in range(len(about.splits))]
    names = max(len(row.name) for row in rows)
    return [
        "  ".join(
            [
                row.name.ljust(names),
                *(value.rjust(width) for value, width in zip(row.values, widths, strict=True)),
            ]
        )
        for row in rows
    ]


def record_text(record: RecordSummary) -> str:
    """Return what is known of a record, one line per fact."""
    integers = ", ".join(f"{name} {label}" for name, label in record.labels.items())
    place = f"{record.shard}, offset {record.offset}" if record.offset else record.shard
    rows = [
        ("record", f"{record.key} ({record.split}, index {record.index})"),
        ("class", f"{record.wnid} {record.words}".rstrip() or "not published"),
        ("label", integers or "not published"),
        ("size", f"{record.width} x {record.height} pixels, {record.nbytes:,} bytes"),
        ("fix", record.fix and f"{record.fix} (as published: {record.published_nbytes:,} bytes)"),
        ("verdict", record.verdict),
        ("boxes", "; ".join(",".join(map(str, box)) for box in record.boxes)),
        ("place", f"{place}, stored as {record.stored_as}"),
        ("sha256", f"{record.sha256} (of the {_sha256_of(record)})"),
        ("stored_sha256", f"{record.stored_sha256} (of the bytes in the shard)"),
        ("bytes", "sound: these hashes match" if record.is_sound else "DAMAGED: the hash differs"),
    ]
    return "\n".join(f"{name:<15}{value}" for name, value in rows if value)


def _sha256_of(record: RecordSummary) -> str:
    kinds = {
        "seekable": "restored JPEG",
        "packed": "restored JPEG",
        "pixels": "JPEG that was decoded",
    }
    return kinds.get(record.stored_as, "image")
