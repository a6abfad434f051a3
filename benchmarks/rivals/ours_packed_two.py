"""The same on twice as many cores, to be held against the row of one."""

from rivals.ours_packed import batches, environment, install, reads, setting

__all__ = ["batches", "core_factor", "environment", "install", "label", "reads", "setting"]

label = "**imnet-data**, packed JPEGs, twice the cores"
core_factor = 2
