"""The demo goes the whole way, and libraries of others read what it made."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from imnet_data import formats
from imnet_data.cli import main
from imnet_data.verification.readers import READERS, formats_of


@pytest.mark.slow
def test_the_demo_makes_every_format_and_shows_who_read_it_back(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["demo", str(tmp_path / "demo")])
    assert done.exit_code == 0, done.output
    table, _, read_back = done.stdout.partition("\nread back by ")
    rows = [line.split() for line in table.splitlines()[1:]]
    assert [row[0] for row in rows] == list(formats.FORMATS)
    assert len({row[1] for row in rows}) == len({row[7] for row in rows}) == 1
    lines = read_back.splitlines()
    expected = {
        (name, reader.name)
        for reader in READERS.values()
        if reader.is_installed
        for name in formats_of(reader)
    }
    assert {tuple(line.replace(":", "").split()[:2]) for line in lines[1:]} >= expected
    assert not [line for line in lines if "is not installed" in line]
    records = rows[0][1]
    (lmdb,) = [line for line in lines if line.startswith("lmdb ")]
    assert lmdb.endswith(f": {records} of {records} records match")
