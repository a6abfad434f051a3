"""Values that commands take: sizes in bytes, lists of classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}


class Nbytes(click.ParamType):
    """A size such as 256MiB, 1GB or 4096."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give the number of bytes."""
        if isinstance(value, int):
            return value
        matched = re.fullmatch(r"(\d+)\s*([KMG]I?)?B?", str(value).upper())
        if matched is None or not int(matched[1]):
            self.fail(f"{value!r} is not a size such as 256MiB or 1GB", param, ctx)
        return int(matched[1]) * _UNITS[matched[2] or ""]


class Classes(click.ParamType):
    """Wnids joined with commas, a file that has one in each line, or the word `found`."""

    name = "classes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Give the wnids."""
        if isinstance(value, tuple):
            return value
        path = Path(value)
        if path.is_file():
            lines = path.read_text("utf-8").splitlines()
            return tuple(line.split()[0] for line in lines if line.strip())
        return tuple(str(value).split(","))


source_path = click.Path(exists=True, path_type=Path)
out_path = click.Path(path_type=Path)
workers = click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes.  [default: as the machine has cores]",
)
