"""The software that decides about the bytes of a dataset; what one began, no other goes on with."""

from __future__ import annotations

from importlib import metadata

import zstandard
from PIL import features

from imnet_data.dataset import description

_PARQUET = "parquet"  # the only format whose bytes are made by a library that changes


def versions(format_name: str) -> dict[str, str]:
    """Return the versions of what decides about bytes, by name."""
    found = {
        "imnet-data": metadata.version("imnet-data"),
        "dataset version": str(description.VERSION),  # builds of one release may write others
        "pillow": metadata.version("pillow"),
        "libjpeg-turbo": str(features.version("libjpeg_turbo")),
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)),
    }
    if format_name == _PARQUET:
        found["pyarrow"] = metadata.version("pyarrow")
    return found
