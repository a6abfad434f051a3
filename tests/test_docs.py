"""The pages under docs/: their code runs, their links lead somewhere, nothing is left out."""

import ast
import dataclasses
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from torchvision_prelude import TORCHVISION
from typed_commands import require_known

import imnet_data
from imnet_data import formats
from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options, ShardFile, SplitDescription
from imnet_data.dataset.index import Index
from imnet_data.dataset.manifest import Entry
from imnet_data.synth import FILE_NAMES, synth
from imnet_data.verification.verify import verify

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# tools that only read what was made, and take long to import
_READ_ONLY = {"torchvision", "timm", "ffcv", "nvidia", "webdataset", "tfrecord", "lmdb"}

_IMPORTING_TORCHVISION = {"torchvision", "timm", "lightning", "accelerate", "transformers"}


class Block(NamedTuple):
    """A fenced block of a page; those of other languages are there to be read."""

    page: Path
    number: int  # in its page
    language: str
    code: str

    def imports(self) -> set[str]:
        """Return the packages that a block imports; of commands, what they need."""
        if self.language != "python":
            return (
                {"torch"} if re.search(r"^imnet-data (train|evaluate)", self.code, re.M) else set()
            )
        nodes = list(ast.walk(ast.parse(self.code)))
        return {
            name.partition(".")[0]
            for node in nodes
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }


def blocks(page: Path) -> list[Block]:
    found = _FENCE.findall(page.read_text())
    runnable = [(language, code) for language, code in found if language in {"python", "sh"}]
    return [Block(page, number, *block) for number, block in enumerate(runnable)]


class Reader:
    """Runs blocks as a reader does: one folder a page, which has tarballs, one after another."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._done: dict[Path, int] = {}
        (root / "bin").mkdir()
        program = root / "bin" / "imnet-data"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imnet_data "$@"\n')
        program.chmod(0o755)
        synth(
            root / "tarballs",
            class_count=4,
            images_per_class=8,
            val_per_class=3,
            test_count=4,
            mean_nbytes=5_000,
        )

    def read(self, block: Block) -> None:
        """Run the block, and before it what it may need of those above it on its page."""
        for earlier in blocks(block.page)[self._done.get(block.page, 0) : block.number]:
            if not missing(earlier) and not earlier.imports() & _READ_ONLY:
                self._run(earlier)
        self._run(block)

    def _run(self, block: Block) -> None:
        self._done[block.page] = block.number + 1
        folder = self._root / str(block.page.relative_to(DOCS)).replace("/", "-")
        if not folder.exists():
            folder.mkdir()
            if not any("synth tarballs" in each.code for each in blocks(block.page)):
                shutil.copytree(self._root / "tarballs", folder / "tarballs")
        code = block.code
        if block.imports() & _IMPORTING_TORCHVISION and importlib.util.find_spec("torchvision"):
            code = TORCHVISION + code
        python = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(
            python if block.language == "python" else ["bash", "-euo", "pipefail", "-c", code],
            cwd=folder,
            env=os.environ
            | {
                "PATH": f"{self._root / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(Path(imnet_data.__file__).parents[1]),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def missing(block: Block) -> list[str]:
    return sorted(name for name in block.imports() if importlib.util.find_spec(name) is None)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("docs"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page)],
    ids=lambda block: f"{block.page.relative_to(DOCS)}-{block.number}",
)
def test_the_code_of_the_pages_runs(block: Block, reader: Reader) -> None:
    if missing(block):
        pytest.skip(f"{', '.join(missing(block))} is not installed")
    reader.read(block)


@functools.cache
def anchors(page: Path) -> set[str]:
    """Return the ids that headings have on the site: of Python-Markdown's `toc` extension."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    words = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in _HEADING.findall(text))
    return {re.sub(r"[-\s]+", "-", heading) for heading in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_lead_to_pages_and_headings_that_are_there(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target in PAGES, f"{link}: no such page"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def test_the_index_leads_to_every_page() -> None:
    linked = {(DOCS / link).resolve() for link in _LINK.findall((DOCS / "README.md").read_text())}
    assert set(PAGES) - {DOCS / "README.md"} <= linked


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_tests_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", page.read_text()))
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


def test_no_text_installs_the_package_from_an_index_that_does_not_have_it() -> None:
    texts = [*PAGES, ROOT / "README.md", *(ROOT / "imnet_data").rglob("*.py")]
    assert len(texts) > 100
    install = re.compile(r"pip install ['\"]?imnet-data|imnet-data\[")
    assert [path.name for path in texts if install.search(path.read_text())] == []


def test_every_format_has_a_page() -> None:
    titles = " ".join(page.read_text().partition("\n")[0].lower() for page in PAGES)
    assert [name for name in formats.FORMATS if name not in titles] == []


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("convert", "converting.md"),
        ("verify", "verifying.md"),
        ("train", "training.md"),
        ("evaluate", "evaluating.md"),
    ],
)
def test_every_option_is_on_its_page(command: str, page: str) -> None:
    text = (DOCS / page).read_text()
    found = main.get_command(click.Context(main), command)
    assert found is not None
    options = [
        option
        for parameter in found.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    ]
    assert [option for option in options if f"`{option}" not in text] == []


def test_each_command_that_a_reader_is_led_to_can_be_typed() -> None:
    page = (DOCS / "have-and-want.md").read_text()
    lines = re.findall(r"`(imnet-data [^`]+)`", page)
    assert len(lines) > 25
    done = {require_known(line) for line in lines}
    assert done >= {"convert", "verify", "inspect", "bench", "train", "evaluate", "demo", "doctor"}
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert all(row.count("|") == 4 for row in rows)


def test_every_field_on_disk_is_on_the_page_of_a_dataset() -> None:
    text = (DOCS / "dataset.md").read_text()
    names = [*Entry._fields, *Index._fields]
    for described in (Options, SplitDescription, ShardFile):
        names += [field.name for field in dataclasses.fields(described)]
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.fixture
def zip_module(tmp_path: Path) -> Path:
    """The format of contributing.md, as the file that a contributor would have written."""
    page = blocks(DOCS / "contributing.md")
    (code,) = [block.code for block in page if "ONE_SHARD" in block.code]
    (tmp_path / "zip.py").write_text(code)
    return tmp_path / "zip.py"


_ADD_FORMAT = """
import importlib.util, sys
from pathlib import Path
from imnet_data import formats
path = Path(__file__).with_name("zip.py")
spec = importlib.util.spec_from_file_location("imnet_data.formats.zip", path)
module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
formats.FORMATS["zip"] = spec.name
"""


def test_the_added_format_passes_the_conformance_tests(zip_module: Path) -> None:
    (zip_module.parent / "added_format.py").write_text(_ADD_FORMAT)
    package = Path(imnet_data.__file__).parents[1]
    conformance = ROOT / "tests" / "formats" / "test_conformance.py"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "added_format", "-p", "no:cacheprovider"),
            *(conformance, "-k", "zip", "-m", "not slow"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{package}:{zip_module.parent}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d\d passed", done.stdout), done.stdout


def test_a_dataset_in_the_added_format_is_sound(
    zip_module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("imnet_data.formats.zip", zip_module)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(formats.FORMATS, "zip", spec.name)
    synth(tmp_path / "in", class_count=2, images_per_class=5, mean_nbytes=2_000)
    assert len(list((tmp_path / "in").iterdir())) == len(FILE_NAMES)
    added = convert([tmp_path / "in"], tmp_path / "zip", format="zip", workers=1)
    known = convert([tmp_path / "in"], tmp_path / "lmdb", format="lmdb", workers=1)
    assert verify(tmp_path / "zip", decode=True) == []
    assert [s.digest for s in added.splits.values()] == [s.digest for s in known.splits.values()]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for name in ("mkdocs", "material"):
        pytest.importorskip(name, reason="mkdocs-material is not installed: the extra `docs`")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in PAGES:
        built = page.relative_to(DOCS).with_suffix("")
        built = built.parent if built.name == "README" else built
        assert (site / built / "index.html").is_file()
