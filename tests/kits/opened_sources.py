"""What a source contains, and the line with which it is refused."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from imnet_data.cli import main
from imnet_data.record import Record
from imnet_data.sources import open_sources


def read(*paths: Path, **options: Any) -> dict[str, list[Record]]:
    source = open_sources(paths, **options)
    try:
        return {
            split: [records[at] for at in range(len(records))]
            for split, records in source.splits.items()
        }
    finally:
        source.close()


def refused(path: Path, *words: str) -> str:
    """Return the one line with which `inspect` refuses a path."""
    result = CliRunner().invoke(main, ["inspect", str(path), *words])
    assert result.exit_code == 1, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    return lines[0]
