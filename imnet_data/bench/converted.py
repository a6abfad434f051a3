"""The same records in other formats, for as long as they are measured."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import NOTHING_ASKED, Options
from imnet_data.dataset.opened import Dataset
from imnet_data.machine.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress

MOST_RECORDS = 5000  # 550 MB of photographs; of a larger dataset so many are drawn


@contextlib.contextmanager
def converted(
    root: StrPath,
    format_names: Sequence[str],
    *,
    progress: Progress = no_progress,
) -> Iterator[list[Path]]:
    """Convert one split of the dataset at `root` to each format; give the datasets.

    They lie beside it, on the same disk, and are gone when the context ends.

    Raises:
        ConvertError: if that cannot be done.
    """
    root = arguments.path("root", root)
    with Dataset.open(root) as dataset:
        split, is_large = dataset.split, len(dataset) > MOST_RECORDS
    options = Options(limit=MOST_RECORDS) if is_large else NOTHING_ASKED
    with tempfile.TemporaryDirectory(dir=root.absolute().parent, prefix=".bench-") as directory:
        made = [Path(directory) / name for name in format_names]
        for path, name in zip(made, format_names, strict=True):
            convert(root, path, format=name, split=split, options=options, progress=progress)
        yield made
