"""Opens what a person names as a source: archives, folders, or a dataset."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imnet_data import sources
from imnet_data.dataset import description, opened
from imnet_data.errors import ConvertError
from imnet_data.machine.progress import Step, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from imnet_data.sources import Source


_log = logging.getLogger("imnet_data")  # what is said of a source; on stderr, unless sent elsewhere


def open_any(
    paths: Sequence[Path],
    *,
    split: str | None = None,
    boxes: bool = False,
    spool: Path | None = None,
    progress: Callable[[Step], None] = lambda step: None,
) -> Source:
    """Open sources, or one dataset as a source."""
    if not any(opened.is_dataset(path) for path in paths):
        source = sources.open_sources(
            paths, split=split, boxes=boxes, spool=spool, progress=steps(progress)
        )
        for note in source.notes:
            _log.warning(note)
        return source
    if len(paths) > 1:
        raise ConvertError("a dataset is converted by itself; give it as the only SOURCE")
    about = description.read(paths[0])
    names = about.splits if split is None else (split,)
    splits = {name: opened.Dataset.open(paths[0], name) for name in names}
    files = tuple(sources.SourceFile(*file) for file in about.sources)
    return sources.Source(dict(splits), about.classes, files, (), name=about.name)
