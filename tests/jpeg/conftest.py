from pathlib import Path

import pytest

from imnet_data.native import _native

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "imagenet_sample"


@pytest.fixture(params=_native.simd_variants())
def variant(request):
    """Runs a test once with each instruction set that this machine has."""
    before = _native.simd()
    _native.set_simd(request.param)
    yield request.param
    _native.set_simd(before)


@pytest.fixture(scope="session")
def samples():
    """The sample images: {name: bytes}; tests that need them are skipped without."""
    found = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("*.JPEG"))}
    if not found:
        pytest.skip("no sample images beside this checkout")
    return found
