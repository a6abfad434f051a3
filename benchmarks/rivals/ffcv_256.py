"""FFCV's Loader on a beton of raw pixels shrunk to 256, as its ImageNet recipes make small ones."""

from rivals import ffcv_raw
from rivals.ffcv_raw import batches, environment, install, needs, setting

__all__ = ["batches", "environment", "install", "label", "needs", "prepare", "reads", "setting"]

label = "FFCV 1.0.2, raw pixels shrunk to 256"
reads = "beton_raw_256"


def prepare(folder, out):
    ffcv_raw.prepare(folder, out, side=256)
