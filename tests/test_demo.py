"""The demo goes the whole way, and libraries of others read what it made."""

import subprocess
import sys
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


_SMALL = """
import sys
from functools import partial
from imnet_data import demo_store
from imnet_data.cli import main
small = {"class_count": 2, "images_per_class": 40, "val_per_class": 2, "test_count": 2}
demo_store.synth = partial(demo_store.synth, mean_nbytes=4_000, **small)
main(["demo", sys.argv[1], "--store", "--workers", "2"])
"""


def test_the_demo_in_a_store_loads_what_it_has_converted_and_verified_there(tmp_path: Path) -> None:
    for package in ("nanio", "obstore"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    words = [sys.executable, "-c", _SMALL, str(tmp_path / "demo")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    table, _, where = done.stdout.partition("\nthe objects: ")
    rows = [line.split() for line in table.splitlines()[1:]]
    assert [row[0] for row in rows] == [name for name in formats.FORMATS if name != "folder"]
    assert {row[1] for row in rows} == {"86"}
    assert len({row[-2] for row in rows}) == 1  # of their pixels
    assert [row[-1] for row in rows] == [f"s3://imnet-demo/{row[0]}" for row in rows]
    for row in rows:
        assert (Path(where.strip()) / row[0] / "dataset.json").is_file()
