"""Each kernel of each variant by itself, against the scalar one; see kernels.cpp.

Those of AVX-512 run also on the processor of Bochs, where all of its code is held against this
machine's.
"""

import shutil
import sys
from pathlib import Path

import pytest
from programs import FOLDER, Programs, compiled

from imnet_data.native import _native

KERNELS = [
    "scan",
    "scan_lanes",
    "skip",
    "pack",
    "unpack",
    "encode",
    "idct",
    "upsample_h2",
    "upsample_h2v2",
    "upsample_v2",
    "color_ycc",
    "color_rgb",
    "resize_across",
    "resize_down",
    "normalize_32",
    "normalize_16",
    "normalize_b16",
    "next_marker",
    "unstuff",
    "stuff",
    "sha256_of_1",
    "sha256_of_2",
    "sha256_of_3",
    "crc32c",
]
VARIANTS = [name for name in _native.simd_variants() if name != "scalar"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not VARIANTS, reason="this machine runs the scalar variant alone"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs g++ or clang++")
    return compiled(compiler, tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module")
def verdicts(folder):
    return Programs(folder).kernels(cases=2000)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_writes_what_the_scalar_one_writes(verdicts, kernel, variant):
    assert verdicts[kernel, variant] in {"ok", "scalar"}


def test_every_kernel_of_the_program_is_tested(verdicts):
    assert set(verdicts) == {(kernel, variant) for kernel in KERNELS for variant in VARIANTS}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_kernels_of_its_own(verdicts, variant):
    assert verdicts["scan", variant] == verdicts["idct", variant] == "ok"


@pytest.fixture
def bochs(folder):
    pytest.importorskip("bochscpu", reason="needs bochscpu-python 0.3.1, an emulator of AVX-512")
    emulator: list[str | Path] = [sys.executable, FOLDER / "bochs.py"]
    return Programs(folder, emulator)


def test_avx512_decodes_and_resizes_to_the_same_pixels(bochs, tmp_path):
    assert bochs.same_pixels("avx512", tmp_path)


def test_each_kernel_of_avx512_writes_what_the_scalar_one_writes(bochs):
    found = bochs.kernels(cases=20)
    assert {variant for _, variant in found} == {"avx2", "avx512"}
    assert {key: verdict for key, verdict in found.items() if verdict == "differs"} == {}
