"""Each row of the table in docs/sources.md is run, on what `synth` makes for it."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnet_data.cli import main
from imnet_data.dataset import description
from imnet_data.imagenet.labels import words_of
from imnet_data.synth.imagenet21k import RELEASES
from imnet_data.synth.others import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
_ROW = re.compile(r"\| [^|]+ \| `([\w-]+)` \| `imnet-data (convert [^`]+)` \|")
ROWS = _ROW.findall(PAGE.read_text())
NEED_PYARROW = ("parquet", "imagenet-hard")


def run(*words: str) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, f"{words}: {result.output}"
    return result.output


def test_the_table_has_a_row_for_all_that_synth_makes_and_no_other():
    made = {"ilsvrc2012", "det", "vid", *RELEASES, *NAMES}
    assert {name for name, _ in ROWS} == made - {"fall11-unpacked"}  # fall11 in another shape
    assert len(ROWS) > 25


@pytest.mark.parametrize(("name", "command"), ROWS)
def test_a_row_of_the_table_converts_what_synth_makes(name, command, tmp_path, monkeypatch):
    if name in NEED_PYARROW:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.chdir(tmp_path)
    sizes = ["--classes", "4", "--images-per-class", "4", "--val-per-class", "2"]
    run("synth", name, "--set", name, *sizes, "--bytes", "2KB")
    some = sorted(words_of())[:500]  # of which synth has one or two
    Path("LIST").write_text("".join(f"{wnid}\n" for wnid in some))
    words = shlex.split(command)
    run("inspect", words[1], *(words[3:5] if words[3:4] == ["--labels"] else []))
    run(*words, "--workers", "1")
    about = description.read(Path("out"))
    assert sum(split.record_count for split in about.splits.values()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_files_and_nothing_is_replaced(name, tmp_path, monkeypatch):
    if name in NEED_PYARROW:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.chdir(tmp_path)
    sizes = ["--classes", "2", "--images-per-class", "2", "--val-per-class", "1", "--bytes", "2KB"]
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run("synth", folder, "--set", name, *sizes, "--seed", seed)
    first, second, third = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
        for folder in "abc"
    )
    assert first
    assert first == second != third
    result = CliRunner().invoke(main, ["synth", "a", "--set", name])
    assert result.exit_code == 1
    assert "choose another folder" in result.output
