"""A source of loaders of some image files, and the images that an epoch of a loader gives."""

import numpy as np

from imnet_data import jpeg
from imnet_data.loaders.source import Extents


def source_of_files(images, path):
    """Put JPEGs, in their order, into one file at `path`, and return where they are."""
    images = list(images)
    path.write_bytes(b"".join(images))
    nbytes = np.array([len(image) for image in images])
    headers = [jpeg.header(image) for image in images]
    return Extents(
        shard_paths=[path],
        shard=np.zeros(len(images), np.int32),
        offset=np.cumsum(nbytes) - nbytes,
        nbytes=nbytes,
        key=np.array([f"image_{index}" for index in range(len(images))], "S"),
        label=np.zeros(len(images), np.int32),
        width=np.array([header.width for header in headers]),
        height=np.array([header.height for header in headers]),
        pixels=np.zeros(len(images), bool),
    )


def epoch_on_host(loader):
    """Return the images of epoch 0, uint8[n, height, width, 3], and close the loader."""
    with loader:
        images = [batch.images for batch in loader.epoch(0)]
    on_host = [part if isinstance(part, np.ndarray) else part.cpu().numpy() for part in images]
    return np.concatenate(on_host)


def differences(images, others):
    """Return the mean difference of each image, in levels."""
    assert len(images)
    return np.abs(images.astype(int) - others).mean(axis=(1, 2, 3))
