"""DALI with nvJPEG: decodes, resizes and flips on the GPU, where the batch stays."""

from pathlib import Path

from rivals import dali
from rivals.dali import environment, install, reads

__all__ = ["batches", "environment", "install", "label", "reads", "setting"]

label = "DALI 2.4.0 on a GPU"
setting = "a thread a core; mixed decoder"


def batches(root, cores):
    if not Path("/dev/nvidiactl").exists():
        raise SystemExit("there is no NVIDIA GPU")
    return dali.batches(root, cores, device="gpu")
