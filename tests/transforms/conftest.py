import numpy as np
import pytest

from imnet_data.native import _native


@pytest.fixture(params=_native.simd_variants())
def simd(request):
    before = _native.simd()
    _native.set_simd(request.param)
    yield request.param
    _native.set_simd(before)


@pytest.fixture
def noise():
    """Makes uint8[height, width, channels] whose values are hard on a resize: all, or extremes."""

    def make(height, width, channels=3, *, seed=0):
        values = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
        return np.where(values > 127, np.uint8(255), np.uint8(0)) if seed % 3 == 0 else values

    return make
