"""The native core: JPEG, resize, batches and hashes in C++, built by CMake as `_native`.

Everything that knows Python, NumPy or a dataset belongs to the packages above.
"""

import os

from imnet_data.errors import ImnetError

try:
    from imnet_data.native import _native
except ImportError as error:
    raise ImportError(
        f"the native core cannot be imported ({error}); from a clone, `pip install -e .` builds "
        "it in place, and what `pip install .` built is found from outside of the clone's folder"
    ) from error

__all__ = ["_native"]


def _choose_variant(name: str) -> None:
    known = _native.simd_variants()
    if name not in known:
        raise ImnetError(f"IMNET_DATA_SIMD is {name!r}; this machine runs: {', '.join(known)}")
    _native.set_simd(name)


if os.environ.get("IMNET_DATA_SIMD"):
    _choose_variant(os.environ["IMNET_DATA_SIMD"])
