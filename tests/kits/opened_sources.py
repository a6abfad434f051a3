"""What a source contains, and the line with which it is refused."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from imnet_data.cli import main
from imnet_data.record import Record, Records
from imnet_data.sources import Source, open_sources


@contextmanager
def pickled(source: Source) -> Iterator[dict[str, Records]]:
    """Return the splits of a source as another process gets them, and close the source."""
    content = pickle.dumps((source.splits, source.containers))
    source.close()
    splits, containers = pickle.loads(content)
    try:
        yield splits
    finally:
        for container in containers:
            container.close()


def read(*paths: Path, **options: Any) -> dict[str, list[Record]]:
    with pickled(open_sources(paths, **options)) as splits:
        return {
            split: [records[at] for at in range(len(records))] for split, records in splits.items()
        }


def refused(path: Path, *words: str) -> str:
    """Return the one line with which `inspect` refuses a path."""
    result = CliRunner().invoke(main, ["inspect", str(path), *words])
    assert result.exit_code == 1, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    return lines[0]
