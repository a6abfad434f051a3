"""The same on a processor that has AVX2 alone."""

from rivals.ours_packed import batches, environment, install, reads, setting

__all__ = ["batches", "environ", "environment", "install", "label", "reads", "setting"]

label = "**imnet-data**, packed JPEGs, AVX2 alone"
environ = {"IMNET_DATA_SIMD": "avx2"}
