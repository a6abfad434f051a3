"""The source distribution builds, and the wheel that comes of it needs no compiler."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import distribution as installed_distribution
from pathlib import Path

import pytest

from imnet_data.formats import FORMATS

ROOT = Path(__file__).parent.parent
DEPENDENCIES = (
    "numpy",
    "click",
    "zstandard",
    "lmdb",
    "webdataset",
    "pillow",
    "PyYAML",
    "braceexpand",
)

pytestmark = pytest.mark.slow


def run(command: list[str | Path], **variables: str) -> str:
    """Run a command that has to succeed, and return what it printed."""
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("scikit_build_core", "nanobind", "cmake", "pip"):
        pytest.importorskip(name, reason=f"{name}, which builds the package, is not installed")
    folder = tmp_path_factory.mktemp("source-distribution")
    code = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(source_distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile for a minute or two, away from the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(
        [*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", folder, source_distribution],
        TMPDIR=str(tmp_path_factory.mktemp("build")),
    )
    (made,) = folder.iterdir()
    return made


def test_the_source_distribution_has_what_readme_links_to(source_distribution: Path) -> None:
    with tarfile.open(source_distribution) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CHANGELOG.md", "docs/README.md", "benchmarks/README.md"} <= names
    assert "tests/test_wheel.py" in names
    assert not [name for name in names if name.endswith((".so", ".part"))]


def test_a_wheel_is_for_this_python_or_for_each_from_3_12_on(wheel: Path) -> None:
    minor = sys.version_info.minor
    assert wheel.name.split("-")[2:4] == (["cp311"] * 2 if minor == 11 else ["cp312", "abi3"])
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        fields = Parser().parsestr(archive.read(metadata).decode())
    assert fields["License-Expression"] == "Apache-2.0"
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert [name for name in names if name.endswith(".so")]
    assert not [name for name in names if name.endswith((".cpp", ".hpp", ".part"))]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel beside what it depends on, and no more; return the folder of programs."""
    root = tmp_path_factory.mktemp("venv")
    run([sys.executable, "-m", "venv", "--without-pip", root])
    programs = root / "bin"
    environment = {"PATH": str(programs)}
    assert not [
        name
        for name in ("cc", "c++", "gcc", "g++", "clang")
        if shutil.which(name, path=str(programs))
    ]
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        str(programs / "python"),
    ]
    run([*pip, "install", "--no-index", "--no-deps", wheel], **environment)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(root)}))
    for found in map(installed_distribution, DEPENDENCIES):
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (own / name).symlink_to(str(found.locate_file(name)))
    return programs


def test_a_wheel_installed_without_a_compiler_converts_verifies_and_loads(
    installed: Path, tmp_path: Path
) -> None:
    path = {"PATH": str(installed), "PYTHONPATH": ""}
    program = installed / "imnet-data"
    tarballs, dataset = tmp_path / "tarballs", tmp_path / "imagenet"
    assert "native core: " in run([program, "--version"], **path)
    run([program, "synth", tarballs, "--classes", "2", "--images-per-class", "5"], **path)
    run([program, "convert", tarballs, dataset, "--workers", "1"], **path)
    run([program, "verify", dataset], **path)
    code = (
        "import sys, imnet_data as imnet\n"
        "loader = imnet.open_loader(sys.argv[1], imnet.TrainRecipe(), batch_size=4)\n"
        "images, labels, indices = next(iter(loader.epoch(0)))\n"
        "print(imnet.__file__, images.shape)\n"
        "loader.close()"
    )
    where, _, shape = run([installed / "python", "-P", "-c", code, dataset], **path).partition(" ")
    assert Path(where).is_relative_to(installed.parent)
    assert shape.strip() == "(4, 224, 224, 3)"


def test_the_demo_needs_no_extra(installed: Path, tmp_path: Path) -> None:
    path = {"PATH": str(installed), "PYTHONPATH": ""}
    missing = "import importlib.util as u; print(u.find_spec('pyarrow'), u.find_spec('torch'))"
    assert run([installed / "python", "-P", "-c", missing], **path) == "None None\n"
    printed = run([installed / "imnet-data", "demo", tmp_path / "demo", "--workers", "1"], **path)
    assert all(name in printed for name in FORMATS)
