"""The native core: JPEG, resize, batches and hashes in C++, built by CMake as `_native`.

Everything that knows Python, NumPy or a dataset belongs to the packages above.
"""

try:
    from imnet_data.native import _native
except ImportError as error:
    raise ImportError(
        f"the native core cannot be imported ({error}); from a clone, `pip install -e .` builds "
        "it in place, and what `pip install .` built is found from outside of the clone's folder"
    ) from error

__all__ = ["_native"]
