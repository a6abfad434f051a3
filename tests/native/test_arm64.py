"""The native code for arm64, cross-compiled and run under an emulator, against this machine's."""

import shutil

import pytest
from programs import Programs, compiled

COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    if COMPILER is None or EMULATOR is None:
        pytest.skip("needs aarch64-linux-gnu-g++ and qemu-aarch64")
    return Programs(compiled(COMPILER, tmp_path_factory.mktemp("arm64")), [EMULATOR])


@pytest.mark.parametrize("arm64_variant", ["scalar", "neon"])
def test_arm64_decodes_and_resizes_to_the_same_pixels(programs, arm64_variant, tmp_path):
    assert programs.same_pixels(arm64_variant, tmp_path)


def test_each_kernel_of_neon_writes_what_the_scalar_one_writes(programs):
    found = programs.kernels(cases=300)
    assert "ok" in found.values()
    assert {key: verdict for key, verdict in found.items() if verdict == "differs"} == {}
