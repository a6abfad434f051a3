"""`--version` and `doctor`: what is installed, what could be, and what does not fit together."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from imnet_data.cli import main
from imnet_data.installation import build, gpu, report
from imnet_data.installation.requirements import Requirement, requirement
from imnet_data.machine import nvidia
from imnet_data.native import _native

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NO_GPU = gpu.Stack(devices=[], driver_cuda=None, dali=[], torch=False, torch_cuda=None)


def stack(**parts: Any) -> gpu.Stack:
    return dataclasses.replace(NO_GPU, **parts)


def test_the_version_names_the_build_and_imports_no_library() -> None:
    code = (
        "import atexit, sys; from imnet_data.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main(['--version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, native, jpeg, libraries = done.stdout.splitlines()
    assert first.startswith(f"imnet-data, version {PROJECT['version']} (Python 3.")
    assert native.startswith(f"native core: {_native.simd()} (")
    assert ", ".join(_native.simd_variants()) in native
    assert re.fullmatch(r"JPEG core: built in; Pillow \d\S+ for what it leaves out", jpeg)
    assert libraries.startswith("optional libraries: ")
    assert not {"numpy", "torch", "PIL", "pyarrow"} & set(done.stderr.split())


def test_a_wrong_instruction_set_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imnet_data", "--version"],
        env=os.environ | {"IMNET_DATA_SIMD": "mmx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: IMNET_DATA_SIMD is 'mmx'")


def test_an_extra_of_the_package_is_in_the_report_and_has_its_pip_line() -> None:
    of_developers = {"test", "lint", "docs"}
    extras = report.report().extras
    assert {each.name for each in extras} == set(PROJECT["optional-dependencies"]) - of_developers
    for each in extras:
        assert each.install == f"pip install '.[{each.name}]'"
        declared = PROJECT["optional-dependencies"][each.name]
        assert [line.partition(" ")[0] for line in each.requires] == declared


def test_doctor_prints_the_same_as_text_and_as_json() -> None:
    as_json = CliRunner().invoke(main, ["doctor", "--json"])
    found = json.loads(as_json.output)
    assert as_json.exit_code == (1 if found["problems"] else 0)
    lines = CliRunner().invoke(main, ["doctor"]).output
    for extra in found["extras"]:
        assert f"\n  {extra['name']}: " in lines
        assert extra["is_installed"] or extra["install"] in lines
    for reader in found["readers"]:
        assert (reader["version"] or reader["install"]) in lines
    assert [line for line in found["requires"] if line not in lines] == []
    assert found["build"]["native"]["simd"] == _native.simd()


def test_a_requirement_is_met_by_a_version_that_is_high_enough() -> None:
    assert requirement('torch>=2.3; extra == "torch"')[:3] == ("torch", "2.3", "torch")
    assert requirement("nowhere-to-be-found").version is None
    assert Requirement("torch", "2.3", "torch", "2.13.0+cpu").is_met
    assert not Requirement("torch", "2.3", "torch", "2.2.9").is_met
    assert not Requirement("torch", "", "torch", None).is_met


def test_what_is_too_old_or_missing_is_a_problem_with_its_command() -> None:
    found = build.build()
    old = Requirement("torch", "2.3", "torch", "1.9")
    absent = Requirement("torch", "2.3", "torch", None)
    needed = Requirement("numpy", "1.26", "", None)
    assert report.problems(found, [absent]) == []
    (line,) = report.problems(found, [old])
    assert line == "needed is torch>=2.3 (1.9): in a clone, run `pip install '.[torch]'`"
    (line,) = report.problems(found, [needed])
    assert line == "needed is numpy>=1.26 (not installed): in a clone, run `pip install .`"
    assert "no metadata" in report.problems(found, [])[0]


@pytest.mark.parametrize("arguments", [["--version"], ["doctor"]])
def test_a_native_core_that_is_missing_is_reported(arguments: list[str], tmp_path: Path) -> None:
    package = tmp_path / "imnet_data"
    ignored = shutil.ignore_patterns("*.so", "*.cpp", "*.hpp", "__pycache__")
    shutil.copytree(ROOT / "imnet_data", package, ignore=ignored)
    code = f"import sys; sys.path = {[str(tmp_path), *sys.path]}; from imnet_data.cli import main;"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"{code} main({arguments})"],  # nothing leads to the clone
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "native core: missing; the native core cannot be imported" in done.stdout, done.stderr
    assert done.returncode == (1 if arguments == ["doctor"] else 0)


def test_a_machine_without_a_gpu_is_named_and_no_problem() -> None:
    (line,) = gpu.text(NO_GPU)
    assert line.startswith("There is no NVIDIA GPU here")
    assert gpu.misfits(stack(dali=["nvidia-dali-cuda130"], torch=True)) == []


def test_what_dali_allocates_ahead_is_printed_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")  # so that one thread decodes
    lines = gpu.text(stack(dali=["nvidia-dali-cuda130"], driver_cuda="13.0"))
    assert (
        "  allocates ahead for ImageNet: 211 MB on the GPU and 285 MB pinned, of 1 thread, "
        "for images up to 5,980 x 6,430 pixels" in lines
    )


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"dali": ["nvidia-dali-cuda130"], "driver_cuda": "12.4"}, "needs a driver for CUDA 13"),
        ({"torch": True, "driver_cuda": "13.0"}, "torch is built without CUDA"),
        ({"torch": True, "torch_cuda": "13.0", "driver_cuda": "12.4"}, "torch is built for CUDA"),
        ({"dali": ["nvidia-dali-cuda120", "nvidia-dali-cuda130"]}, "share a folder"),
    ],
)
def test_parts_that_do_not_fit_are_a_problem(parts: dict[str, object], words: str) -> None:
    (line,) = gpu.misfits(stack(**parts))
    assert words in line


@pytest.mark.parametrize(
    "parts",
    [
        {"dali": ["nvidia-dali-cuda120"], "driver_cuda": "13.0"},
        {"driver_cuda": "13.0", "torch": True, "torch_cuda": "12.8"},
        {"driver_cuda": "12.4"},
    ],
)
def test_parts_for_the_drivers_cuda_or_an_earlier_one_fit(parts: dict[str, object]) -> None:
    assert gpu.misfits(stack(**parts)) == []
    assert any(f"runs CUDA {parts['driver_cuda']}" in line for line in gpu.text(stack(**parts)))


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ builds a library that is no driver")
def test_the_driver_is_asked_for_its_cuda(tmp_path: Path) -> None:
    source = tmp_path / "driver.cpp"
    source.write_text('extern "C" int cuDriverGetVersion(int* v) { *v = 12040; return 0; }\n')
    library = tmp_path / "driver.so"
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", library], check=True)
    assert nvidia.driver_cuda(str(library)) == "12.4"
    assert nvidia.driver_cuda(str(tmp_path / "none.so")) is None
    assert nvidia.driver_cuda("libc.so.6") is None


def test_the_cuda_of_torch_is_read_from_its_file_as_torch_has_it(tmp_path: Path) -> None:
    (tmp_path / "version.py").write_text("cuda: Optional[str] = '12.8'\nhip = None\n")
    assert gpu.torch_cuda(str(tmp_path / "__init__.py")) == "12.8"
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert gpu.torch_cuda(torch.__file__) == torch.version.cuda


def test_the_page_has_each_extra_and_what_it_adds() -> None:
    page = (ROOT / "docs" / "installing.md").read_text()
    table = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert table.keys() == report.PURPOSES.keys()
    for name, adds in table.items():
        assert adds.replace("`", "").partition(";")[0] == report.PURPOSES[name]
