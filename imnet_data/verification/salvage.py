"""What can still be known of a dataset whose dataset.json cannot be read.

It is enough to make the dataset again from its source; SHA256SUMS then proves whether it was right.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from imnet_data.dataset import description, manifest
from imnet_data.dataset.description import DEFAULTS, Description, Options, SplitDescription
from imnet_data.errors import ConvertError
from imnet_data.formats import FORMATS, get

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from imnet_data.formats import Format
    from imnet_data.verification.witness import Sums


def salvaged(root: Path, sums: Sums) -> Description:
    """Return format, options and names of the splits, from what is left and from SHA256SUMS.

    Raises:
        ConvertError: if not even those are known.
    """
    path = root / description.FILE_NAME
    text = path.read_bytes().decode(errors="replace")
    end = f"/{manifest.FILE_NAME}"
    splits = [name.removesuffix(end) for name in sums.lines if name.endswith(end)]
    said = _field(text, "format")
    format_name = said if said in [*FORMATS] else _format_name(splits, sums.lines)
    if not format_name:
        raise ConvertError(
            f"{path}: is damaged, and so is SHA256SUMS; nothing is changed: copy both from "
            "elsewhere, or convert again"
        )
    try:
        options = Options(**_field(text, "options"))
    except (TypeError, ValueError):
        options = DEFAULTS
    version = _field(text, "version")
    return Description(
        format=format_name,
        options=options,
        classes=(),
        sources=(),
        splits={
            split: SplitDescription(record_count=0, order="sorted", digest="") for split in splits
        },
        version=version if version in [*description.READABLE] else description.VERSION,
    )


def _format_name(splits: Collection[str], files: Collection[str]) -> str:
    """Return the format whose shards have the names that are there; "" if there is none."""
    for name in FORMATS:
        module = get(name)
        for split in splits:
            most = sum(file.startswith(f"{split}/") for file in files)
            counts = range(1, most + 1)
            shards = {f"{split}/{module.shard_name(split, 0, count)}" for count in counts}
            if shards & {*files} or _has_record_files(module, split, files):
                return name
    return ""


def _has_record_files(module: Format, split: str, files: Collection[str]) -> bool:
    """Return whether a split has files with the suffix that a format gives each record's own."""
    if module.record_file is None:
        return False
    suffix = PurePosixPath(module.record_file("", "key")).suffix
    return any(file.startswith(f"{split}/") and file.endswith(suffix) for file in files)


def _field(text: str, name: str) -> Any:
    """Return the value of a field, which begins a line; None if it is damaged or not there."""
    matched = re.search(rf'^ "{name}": (.*?),?\n(?= "|\}})', text, re.MULTILINE | re.DOTALL)
    try:
        return json.loads(matched[1]) if matched else None
    except ValueError:
        return None
