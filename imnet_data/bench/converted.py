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
from imnet_data.errors import OutputError
from imnet_data.machine.progress import Step, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress

_PREFIX = ".bench-"
MOST_RECORDS = 5000  # 550 MB of photographs; of a larger dataset so many are drawn


@contextlib.contextmanager
def converted(
    root: StrPath,
    format_names: Sequence[str],
    *,
    work: Path | None = None,
    progress: Progress = no_progress,
) -> Iterator[list[Path]]:
    """Convert one split of the dataset at `root` to each format; return the datasets.

    They are gone when the context ends.

    Args:
        root: folder of the dataset.
        format_names: one dataset is made of each.
        work: an existing folder that they are written to; None is beside the dataset, on the same
            disk, or where that folder takes no files, the system's for temporary files.
        progress: called several times a second, and with a message if they are elsewhere.

    Raises:
        ConvertError: if that cannot be done.
        OutputError: if no folder takes files.
    """
    root = arguments.path("root", root)
    with Dataset.open(root) as dataset:
        split, is_large = dataset.split, len(dataset) > MOST_RECORDS
    options = Options(limit=MOST_RECORDS) if is_large else NOTHING_ASKED
    with _folder(root.absolute().parent, work, progress) as directory:
        made = [Path(directory) / name for name in format_names]
        for path, name in zip(made, format_names, strict=True):
            convert(root, path, format=name, split=split, options=options, progress=progress)
        yield made


def _folder(
    beside: Path, work: Path | None, progress: Progress
) -> tempfile.TemporaryDirectory[str]:
    """Make the folder for all of them."""
    try:
        return tempfile.TemporaryDirectory(dir=work or beside, prefix=_PREFIX)
    except OSError as error:
        if work is not None:
            raise OutputError(f"{work}: takes no datasets ({error.strerror})") from error
        reason = error.strerror
    try:
        made = tempfile.TemporaryDirectory(prefix=_PREFIX)
    except OSError as error:
        raise OutputError(
            f"neither {beside} ({reason}) nor the folder for temporary files takes datasets; "
            "name one with --work, or set TMPDIR"
        ) from error
    message = f"{beside} takes no files ({reason}): other formats are made in {made.name}"
    progress(Step("convert", 0, 0, message=message))
    return made
