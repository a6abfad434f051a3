"""What --help shows can be read by a stranger, and its examples can be typed."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from typed_commands import command, require_known

from imnet_data.cli import main, values

COMMANDS = main.list_commands(click.Context(main))


def help_of(name: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, [name, "--help"])
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_whose_options_and_values_are_known(name: str) -> None:
    *_, last = help_of(name).split("\n\n")
    heading, *lines = last.strip().splitlines()
    assert heading == "Examples:"
    assert 2 <= len(lines) <= 3
    for line in lines:
        assert len(line) <= 80
        assert require_known(line) == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_that_is_a_sentence(name: str) -> None:
    options = [each for each in command(name).params if isinstance(each, click.Option)]
    assert options or name == "copy"
    for option in options:
        assert re.match(r"(?!Of )[A-Z].*\.(  \[default: [^]]+\])?$", option.help or ""), option.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_metavars_are_names_of_this_project(name: str) -> None:
    """Those of click, such as `INTEGER RANGE`, name types of a program."""
    found = re.findall(r"^  --[a-z-]+ ([A-Z]+(?: RANGE)?)\b", help_of(name), re.MULTILINE)
    assert not {"INTEGER", "INTEGER RANGE", "FLOAT", "FLOAT RANGE", "TEXT"} & set(found)


def test_workers_means_the_same_in_every_command_that_has_it() -> None:
    texts = {
        option.help
        for name in COMMANDS
        for option in command(name).params
        if isinstance(option, click.Option) and "--workers" in option.opts
    }
    assert texts == {"Number of worker processes.  [default: one per core]"}


def test_a_size_has_the_units_that_it_has_in_python() -> None:
    sizes = {"4096": 4096, "1 KB": 1000, "3MiB": 3 << 20, "2TB": 2 * 1000**4, "1tib": 1 << 40}
    assert {text: values.nbytes(text) for text in sizes} == sizes
    for text in ("0", "1.5GB", ""):
        with pytest.raises(click.BadParameter, match=f"'{text}' is not a size such as 256MiB"):
            values.nbytes(text)


@pytest.mark.parametrize("more", [[], ["--set", "mds"], ["--set", "winter21"]])
def test_a_value_that_the_work_refuses_is_one_line_with_the_name_of_its_option(
    more: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, ["synth", str(tmp_path / "out"), "--bytes", "1KB", *more])
    assert result.exit_code == 2
    line = "Error: --bytes is 1000; allowed are integers from 1,500 to 110,000\n"
    assert result.output.endswith(line)
    assert not list(tmp_path.iterdir())
