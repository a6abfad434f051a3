"""A dataset as one HTML page, to be looked at: facts, contact sheets, charts, classes.

The page is one file that loads nothing (its own policy forbids it to), and the same dataset gives
the same page: nothing in it depends on when or where it was made.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imnet_data.dataset.manifest import VERDICTS
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImnetError
from imnet_data.html.charts import density, histogram
from imnet_data.html.document import document, figure, table
from imnet_data.imagenet import labels
from imnet_data.images import reencode
from imnet_data.inspection import text
from imnet_data.inspection.summary import summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.inspection.summary import SplitSummary, Summary

_SHEET = 60  # images of all contact sheets together
_FIXED = 48  # fixed records of a split that are shown
_SIDE = 160  # pixels; of a thumbnail


def page(root: StrPath) -> str:
    """Return the page of the dataset at `root`.

    An image that cannot be read or decoded is shown as the error that it gave.

    Raises:
        ManifestError: if it is no dataset, or is damaged.
    """
    about = summary(root)
    opened = [Dataset.open(root, split) for split in about.splits]
    try:
        sections = [_split(one, about.splits[one.split], _SHEET // len(opened)) for one in opened]
        return _page(about, [*sections, _classes(opened)])
    finally:
        for one in opened:
            one.close()


def _page(about: Summary, sections: Iterable[str]) -> str:
    parts = {f"split-{split}": split for split in about.splits} | {"classes": "classes"}
    return document(text.headline(about), parts, facts=_facts(about), sections=sections)


def _facts(about: Summary) -> str:
    rows = [(row.name, *row.values) for row in text.split_rows(about)]
    made = [
        *((f"digest of {split}", one.digest or "") for split, one in about.splits.items()),
        *(
            ("source", f"{name}, {text.nbytes_text(nbytes)}")
            for name, nbytes in about.sources.items()
        ),
        *text.options_rows(about),
    ]
    facts = table("What is in it: median (least to most)", ("", *about.splits), rows)
    return f'<div class="facts">{facts}{table("What made it", (), made)}</div>'


def _split(opened: Dataset, about: SplitSummary, count: int) -> str:
    name = escape(opened.split)
    sampled = _evenly(opened.labels, count)
    fixed = np.flatnonzero(opened.index.fix)
    shown = fixed[:_FIXED]
    over = "the classes" if about.class_count else "the split"
    parts = [
        f'<section aria-labelledby="split-{name}">\n<h2 id="split-{name}">{name}</h2>\n',
        f'<div class="charts">{"".join(_charts(opened, about))}</div>\n',
        f"<h3>{len(sampled):,} of {len(opened):,} images, evenly over {over}</h3>\n",
        _sheet(opened, sampled),
    ]
    if len(fixed):
        which = "all" if len(shown) == len(fixed) else f"the first {len(shown)}"
        parts.append(f"<h3>Bad and changed images: {which} of {len(fixed):,}</h3>\n")
        parts.append(_sheet(opened, shown))
    return "".join([*parts, "</section>\n"])


def _evenly(label: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Choose records at even distances in the order of the classes."""
    count = min(count, len(label))
    by_class = np.argsort(label, kind="stable")
    return by_class[(2 * np.arange(count) + 1) * len(label) // (2 * count)]


def _charts(opened: Dataset, about: SplitSummary) -> Iterator[str]:
    index = opened.index
    charts = [
        density(index.width, index.height, titles=("width, pixels", "height, pixels")),
        histogram(index.nbytes, title="bytes per image", counted="images", show=text.nbytes_text),
    ]
    if about.class_count:
        class_counts = np.bincount(index.label[index.label >= 0])
        charts.append(
            histogram(
                class_counts[class_counts > 0],
                title="images per class",
                counted="classes",
                show="{:,}".format,
            )
        )
    return (f"<figure>{chart}</figure>\n" for chart in charts)


def _sheet(opened: Dataset, rows: NDArray[np.int64]) -> str:
    figures = (_figure(opened, row) for row in rows.tolist())
    return f'<div class="sheet">\n{"".join(figures)}</div>\n'


def _figure(opened: Dataset, row: int) -> str:
    index = opened.index
    key, label = index.key[row].decode(errors="replace"), int(index.label[row])
    wnid = opened.classes[label] if label >= 0 else ""
    words = labels.words_of().get(wnid, wnid) or "no label"
    fix = tuple(opened.split_description.fixes)[index.fix[row] - 1] if index.fix[row] else ""
    verdict = VERDICTS[index.verdict[row]]
    lines = [
        ("words", words),
        ("quiet", f"{label} \N{MIDDLE DOT} {wnid}" if wnid else ""),
        ("key", key),
        ("fix", text.fix_text(fix)),
        ("quiet", f"verdict: {verdict}" if verdict else ""),
    ]
    shown = picture(opened, row, alt=f"{words}, {key}")
    return figure(shown, lines, is_marked=bool(fix))


def picture(opened: Dataset, row: int, *, alt: str) -> str:
    """Return a record's thumbnail as an element, or the error that it gave."""
    try:
        thumbnail = _thumbnail(opened, row)
    except (ImnetError, OSError) as error:
        return f'<div class="missing">cannot be shown: {escape(str(error))}</div>'
    content = base64.b64encode(thumbnail).decode()
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{content}">'


def _thumbnail(opened: Dataset, row: int) -> bytes:
    if not opened.is_pixels[row]:
        image = reencode.decode(opened[row].jpeg, fill=True)
    else:
        size = int(opened.index.width[row]), int(opened.index.height[row])
        image = Image.frombytes("RGB", size, opened.stored(row))
    image.thumbnail((_SIDE, _SIDE))
    return reencode.to_jpeg(image, quality=75)


def _classes(opened: Sequence[Dataset]) -> str:
    classes = opened[0].classes
    counts = [
        np.bincount(one.labels[one.labels >= 0], minlength=len(classes)).tolist() for one in opened
    ]
    rows = [
        (str(label), wnid, labels.words_of().get(wnid, ""), *(f"{one[label]:,}" for one in counts))
        for label, wnid in enumerate(classes)
    ]
    listed = table(
        "Labels are positions among the sorted wnids",
        ("label", "wnid", "words", *(one.split for one in opened)),
        rows,
    )
    return (
        f'<section aria-labelledby="classes">\n<h2 id="classes">Classes</h2>\n'
        f"<details><summary>All {len(classes):,} classes</summary>{listed}</details>\n</section>\n"
    )
