"""Files that a command writes because an option names them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imnet_data.errors import OutputError
from imnet_data.machine.files import require_new, write_new

if TYPE_CHECKING:
    from collections.abc import Iterable

path = click.Path(dir_okay=False, path_type=Path)
overwrite = click.option(
    "--overwrite", is_flag=True, help="Replace output files that already exist."
)


def require_all_new(paths: Iterable[Path | None], *, overwrite: bool) -> None:
    """Refuse output files that already exist, before any work starts."""
    for each in paths:
        if each is not None and each != Path("-"):
            require_new(each, overwrite=overwrite)
            require_writable(each)


def require_writable(path: Path) -> None:
    """Refuse a file that could not be written at the end; nothing is left of the attempt.

    Raises:
        OutputError: if its folder is missing, or takes no file.
    """
    if path.exists() and not path.is_file():
        return  # a pipe or a device, which is written to
    folder = Path(os.path.realpath(path)).parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{folder}: {error.strerror}"
        raise OutputError(
            f"{path}: cannot be written ({reason}); make the folder, or choose another"
        ) from error


def write(path: Path, content: str | bytes, *, overwrite: bool) -> None:
    """Write one such file."""
    write_new(path, content.encode() if isinstance(content, str) else content, overwrite=overwrite)
