"""What goes with the package: its license, its changelog, and what an index shows of it."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import imnet_data
from imnet_data.cli import main

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
# of https://www.apache.org/licenses/LICENSE-2.0.txt
APACHE_2_0_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def options() -> set[str]:
    """Return the long options of all commands."""
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    return {
        option
        for command in commands
        for parameter in (command.params if command else [])
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


def test_the_license_is_the_one_that_the_metadata_names() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    for name in PROJECT["license-files"]:
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == APACHE_2_0_SHA256
    assert PROJECT["license-files"]


def test_the_changelog_has_the_sections_of_keep_a_changelog_and_this_version() -> None:
    titles = re.findall(r"^## \[([^]]+)\](?: - \d{4}-\d\d-\d\d)?$", CHANGELOG, re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert PROJECT["version"] in titles
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert "Removed" in kinds


def test_the_changelog_names_options_and_functions_that_are_there() -> None:
    newest = CHANGELOG.partition("## [Unreleased]")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(?:\w+ )?(--[a-z-]+)`", newest))
    assert {"--dry-run", "--readers", "--move-strays", "--augment"} <= named
    assert named <= options()
    functions = set(re.findall(r"`imnet_data\.(\w+)`", newest)) - {"__all__"}
    assert "dry_run" in functions
    assert functions <= set(imnet_data.__all__)


@pytest.mark.slow
def test_all_tests_are_collected_where_no_optional_library_is_installed() -> None:
    code = (
        "import sys, pytest\n"
        "sys.modules |= dict.fromkeys(('torch', 'torchvision', 'timm', 'nvidia', 'ray', 'ffcv'))\n"
        "sys.exit(pytest.main(['--collect-only', '-qq', '-p', 'no:cacheprovider']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_links_lead_to_files_that_are_there(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_readme_says_where_links_lead_that_an_index_does_not_follow() -> None:
    text = (ROOT / "README.md").read_text()
    relative = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not relative or "lead nowhere on a package index" in text


def test_the_classifiers_have_each_supported_python() -> None:
    supported = re.findall(
        r"Programming Language :: Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.M
    )
    assert PROJECT["requires-python"] == f">={supported[0]}"
    assert supported == [f"3.{minor}" for minor in range(11, 11 + len(supported))]


def test_the_page_on_installing_names_the_oldest_versions_that_the_metadata_allows() -> None:
    page = (ROOT / "docs" / "installing.md").read_text()
    extras = PROJECT["optional-dependencies"]
    wanted = {
        "NumPy": next(one for one in PROJECT["dependencies"] if one.startswith("numpy>=")),
        "torch": extras["torch"][0],
        "DALI": extras["dali"][0],
    }
    for name, requirement in wanted.items():
        assert f"{name} {requirement.partition('>=')[2]} or newer" in page
    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} or newer" in page
