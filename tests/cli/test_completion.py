"""What installing.md says of shells: its lines are run by those that are installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "installing.md"
LINES = dict(re.findall(r"^\| (Bash|Zsh|Fish) \| `[^`]+` \| `(.+)` \|$", PAGE.read_text(), re.M))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return variables by which `imnet-data` is found."""
    program = tmp_path / "imnet-data"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imnet_data "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("imnet-data ver", "verify"),
        ("imnet-data convert --dr", "--dry-run"),
        ("imnet-data convert --format bet", "beton"),
    ],
)
def test_commands_options_and_values_are_completed(
    words: str, expected: str, environment: dict[str, str]
) -> None:
    asked = {
        "_IMNET_DATA_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        ["imnet-data"], env=environment | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [f"plain,{expected}"], done.stderr


@pytest.mark.parametrize("shell", ["Bash", "Zsh", "Fish"])
def test_the_line_for_a_shell_runs_in_it(shell: str, environment: dict[str, str]) -> None:
    line = LINES[shell].replace("\\|", "|")
    assert f"_IMNET_DATA_COMPLETE={shell.lower()}_source" in line
    asked = {"_IMNET_DATA_COMPLETE": f"{shell.lower()}_source"}
    script = subprocess.run(
        ["imnet-data"], env=environment | asked, capture_output=True, text=True, check=True
    )
    assert "_imnet_data_completion" in script.stdout
    if shutil.which(shell.lower()) is None:
        pytest.skip(f"{shell} is not installed")
    check = {
        "Bash": "complete -p imnet-data",
        "Zsh": "whence -w _imnet_data_completion",
        "Fish": "complete imnet-data",
    }[shell]
    before = "autoload -Uz compinit && compinit -u -D; " if shell == "Zsh" else ""
    done = subprocess.run(
        [shell.lower(), "-c", f"{before}{line}\n{check}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "_imnet_data_completion" in done.stdout
