"""Whether a command is the one that began, or made, what is at OUT, and from the same bytes."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from imnet_data.conversion import software
from imnet_data.dataset import description, opened
from imnet_data.errors import ConvertError
from imnet_data.machine import files

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.conversion.plan import Conversion, SplitPlan
    from imnet_data.dataset.description import Description

_log = logging.getLogger("imnet_data")  # on stderr, unless it is sent elsewhere


def agreed_plan(conversion: Conversion, path: Path) -> bytes:
    """Return what is being done, checked to be what an earlier run began, if there was one.

    Raises:
        ConvertError: if another command began it, or the source has changed since.
    """
    identities = conversion.source.identities()
    document = {
        "software": software.versions(),
        "format": conversion.format_name,
        "options": conversion.options.to_json(),
        "classes": conversion.classes,
        "splits": {
            split: [planned.listing_sha256, planned.shard_count]
            for split, planned in conversion.plans.items()
        },
        "sources": sorted(identities),
    }
    content = (json.dumps(document, indent=1) + "\n").encode()
    if not path.exists() or path.read_bytes() == content:
        return content
    asked = json.loads(content)
    try:
        began = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConvertError(f"{path}: is damaged ({error}); add --force to start again") from error
    differing = [name for name in document if asked[name] != began.get(name)]
    before = json.dumps(began.get("sources"))
    changed = sorted(path for identity, path in identities.items() if identity not in before)
    if changed and {*differing} <= {"splits", "sources"}:
        raise ConvertError(
            f"{path.parent.parent}: contains an unfinished conversion, and its source has changed "
            f"since then: {', '.join(changed)}; old and new shards would not belong together: add "
            "--force to start again, or restore the source"
        )
    texts = [difference(name, began.get(name), asked[name]) for name in differing]
    raise ConvertError(
        f"{path.parent.parent}: contains an unfinished conversion with other "
        f"{' and '.join(texts)}; run the command that started it, or add --force to discard it"
    )


def already_done(
    conversion: Conversion,
    out: Path,
    *,
    remedy: str = "add --force to discard it",
    name: str | None = None,
) -> Description:
    """Return what the dataset at `out` says of itself, checked to be what the command makes.

    Args:
        conversion: what the command makes.
        out: the folder of the dataset.
        remedy: how the command makes another one in its place.
        name: how messages call the folder.

    Raises:
        ConvertError: if it is another, or the source has other records than it had.
    """
    about, name = description.read(out), name or str(out)
    differing = [
        difference(field, have, want)
        for field, have, want in (
            ("name", about.name, conversion.source.name),
            ("format", about.format, conversion.format_name),
            ("options", about.options.to_json(), conversion.options.to_json()),
            ("classes", about.classes, conversion.classes),
            ("sources", about.sources, tuple(tuple(file) for file in conversion.source.files)),
            ("splits", list(about.splits), list(conversion.plans)),
        )
        if have != want
    ]
    if differing:
        raise ConvertError(
            f"{name}: contains a dataset made with other {' and '.join(differing)}; "
            f"choose another OUT, or {remedy}"
        )
    for split, planned in conversion.plans.items():
        with opened.Dataset(out, split, about) as dataset:
            same = _has_records_of(planned, dataset)
        if not same:
            raise ConvertError(
                f"{name}: its source has changed: {split} has images with other names, classes or "
                f"sizes now; choose another OUT, or {remedy}"
            )
    made_ns = files.written_ns(out / description.FILE_NAME)
    for path, written_ns in sorted(conversion.source.written_ns().items()):
        if written_ns > made_ns:
            _log.warning(
                f"{path}: was written to after {name} was made, which stays as it is; if its "
                f"images differ, {remedy}"
            )
    return about


def _has_records_of(planned: SplitPlan, dataset: opened.Dataset) -> bool:
    """Return whether a dataset has the keys, wnids and published sizes of a plan, in its order."""
    source, rows, made = planned.records.listing, planned.rows, dataset.listing
    if dataset.split_description.skipped:  # those are in the source alone
        rows = rows[np.isin(source.keys[rows], made.keys)]
    if not np.array_equal(source.keys[rows], made.keys):
        return False
    # earlier versions had no published size of images that are stored as pixels
    same_size = (source.nbytes[rows] == made.nbytes) | dataset.is_pixels
    return np.array_equal(source.wnids[rows], made.wnids) and bool(same_size.all())


def difference(name: str, have: Any, want: Any) -> str:
    """Name what differs, with its values where they are short."""
    if isinstance(have, dict) and isinstance(want, dict) and name in ("options", "software"):
        differing = [key for key in {**have, **want} if have.get(key) != want.get(key)]
        texts = (
            key if key == "classes" else f"{key} {have.get(key)}, not {want.get(key)}"
            for key in differing
        )
        return f"{name} ({'; '.join(texts)})"
    return f"{name} ({have}, not {want})" if isinstance(have, str | int) else name
