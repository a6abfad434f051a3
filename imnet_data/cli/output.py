"""Files that a command writes because an option names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

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
        if each is not None:
            require_new(each, overwrite=overwrite)


def write(path: Path, content: str | bytes, *, overwrite: bool) -> None:
    """Write one such file."""
    write_new(path, content.encode() if isinstance(content, str) else content, overwrite=overwrite)
