"""Opens what a person names as a source: archives, folders, or a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data import sources
from imnet_data.dataset import description, opened
from imnet_data.errors import ConvertError
from imnet_data.machine.progress import no_progress
from imnet_data.sources.left_out import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source


def open_any(
    paths: Sequence[Path | str],
    *,
    split: str | None = None,
    boxes: bool = False,
    labels: str | None = None,
    spool: Path | None = None,
    progress: Progress = no_progress,
) -> Source:
    """Open sources, or one dataset as a source."""
    if not any(isinstance(path, Path) and opened.is_dataset(path) for path in paths):
        return sources.open_sources(
            paths, split=split, boxes=boxes, labels=labels, spool=spool, progress=progress
        )
    root = paths[0]
    if len(paths) > 1 or isinstance(root, str):
        raise ConvertError("a dataset is converted by itself; pass it as the only SOURCE")
    if labels is not None:
        raise ConvertError(f"{root}: is a dataset, which has wnids; leave out --labels")
    about = description.read(root)
    names = about.splits if split is None else (split,)
    datasets = [opened.Dataset.open(root, name) for name in names]
    splits = {dataset.split: dataset for dataset in datasets}
    files = tuple(sources.SourceFile(*file) for file in about.sources)
    left_out = {name: Reason(count, str(root)) for name, count in about.left_out.items()}
    return sources.Source(
        dict(splits), about.classes, files, (), name=about.name, left_out=left_out, dataset=root
    )
