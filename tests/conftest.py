"""Fixtures that all tests share: seven records, and libraries that need help to import."""

import importlib
import io
import sys
import warnings
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from imnet_data.imagenet import labels
from imnet_data.record import Box, Record

_LIBRARIES: list[object] = []  # an operator is gone with its library


def _jpeg(height: int, width: int, *, seed: int, grey: bool) -> bytes:
    """Make a JPEG of noise on a gradient."""
    random = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., None]
    pixels = (ramp + random.integers(0, 60, (height, width, 3))).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling=-1 if grey else seed % 3)
    return file.getvalue()


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """Seven records (prime: no shard size divides it) of four classes, two of them with boxes."""
    wnids = labels.ilsvrc2012_wnids()
    sizes = [(48, 64), (64, 48), (7, 5), (120, 90), (33, 47), (16, 16), (300, 400)]
    return [
        Record(
            key=f"{wnids[number % 4]}_{number * 37}",
            wnid=wnids[number % 4],
            jpeg=_jpeg(height, width, seed=number, grey=number == 4),
            boxes=(Box(1, 2, 15, 12), Box(0, 0, 3, 6)) if number in {1, 5} else (),
        )
        for number, (height, width) in enumerate(sizes)
    ]


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also where its wheel was built for another torch than the one installed."""
    torch = pytest.importorskip("torch", reason="the oracle torchvision needs torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: ModuleType = pytest.importorskip("torchvision", reason="it is not installed")
            return found
        except (RuntimeError, AttributeError):
            # its C extension did not load, so operators that its Python part describes are missing
            for name in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _LIBRARIES.append(library)
            return importlib.import_module("torchvision")


@pytest.fixture(scope="session")
def timm(torchvision: ModuleType) -> ModuleType:
    """timm, which imports torchvision."""
    del torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: ModuleType = pytest.importorskip("timm", reason="it is not installed")
    return found
