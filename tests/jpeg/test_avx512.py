"""The native code for AVX-512, run on the processor of Bochs, against this machine's."""

import shutil
import sys

import pytest
from test_arm64 import TREE, built, same_pixels

COMPILER = shutil.which("g++")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    pytest.importorskip("bochscpu", reason="needs bochscpu-python 0.3.1, an emulator of AVX-512")
    if COMPILER is None:
        pytest.skip("needs g++")
    return built(COMPILER, tmp_path_factory.mktemp("avx512"))


@pytest.mark.slow
def test_avx512_decodes_and_resizes_to_the_same_pixels(program, tmp_path):
    emulator = [sys.executable, TREE / "tests" / "native_check" / "bochs.py"]
    assert same_pixels(emulator, program, "avx512", tmp_path)
