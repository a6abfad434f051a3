"""The software that decides about the bytes of a dataset; what one began, no other goes on with."""

from __future__ import annotations

from importlib import metadata

import PIL
import zstandard
from PIL import features

from imnet_data.dataset import description


def versions() -> dict[str, str]:
    """Return the versions of what decides about bytes, by name."""
    return {
        "imnet-data": metadata.version("imnet-data"),
        "dataset version": str(description.VERSION),  # builds of one release may write others
        "pillow": PIL.__version__,  # pillow-simd has this, too, and no distribution of that name
        "libjpeg-turbo": str(features.version("libjpeg_turbo")),
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
    }
