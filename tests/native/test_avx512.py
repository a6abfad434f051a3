"""The native code for AVX-512, run on the processor of Bochs, against this machine's."""

import shutil
import sys
from pathlib import Path

import pytest
from programs import FOLDER, Programs

COMPILER = shutil.which("g++")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    pytest.importorskip("bochscpu", reason="needs bochscpu-python 0.3.1, an emulator of AVX-512")
    if COMPILER is None:
        pytest.skip("needs g++")
    emulator: list[str | Path] = [sys.executable, FOLDER / "bochs.py"]
    return Programs(COMPILER, tmp_path_factory.mktemp("avx512"), emulator)


def test_avx512_decodes_and_resizes_to_the_same_pixels(programs, tmp_path):
    assert programs.same_pixels("avx512", tmp_path)


def test_each_kernel_of_avx512_writes_what_the_scalar_one_writes(programs):
    found = programs.kernels(cases=20)
    assert {variant for _, variant in found} == {"avx2", "avx512"}
    assert {key: verdict for key, verdict in found.items() if verdict == "differs"} == {}
