import io

import numpy as np
import pytest
from PIL import Image

from imnet_data.loaders.source import Extents

COUNT = 23  # prime: no batch size divides it


def encode(index):
    draw = np.random.default_rng(index)
    width, height = draw.integers(1, 200, 2).tolist() if index else (300, 200)
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., np.newaxis]
    pixels = (ramp + draw.integers(0, 60, (height, width, 3))).astype(np.uint8)
    image = Image.fromarray(pixels)
    options = {"quality": 85, "subsampling": index % 3, "restart_marker_blocks": index % 4 * 3}
    if index == 5:
        image = image.convert("L")
        del options["subsampling"]
    elif index == 9:
        options["progressive"] = True
    elif index == 13:
        image = image.convert("CMYK")
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def jpegs():
    """23 JPEGs; 5 is grey, 9 progressive and 13 CMYK: the last two are for Pillow."""
    return [encode(index) for index in range(COUNT)]


@pytest.fixture(scope="session")
def decoded(jpegs):
    """What Pillow makes of them."""
    return [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in jpegs]


@pytest.fixture
def extents(jpegs, decoded, tmp_path):
    """The JPEGs in two files, with junk between them."""
    paths = [tmp_path / "shard-0", tmp_path / "shard-1"]
    shard = np.arange(COUNT) // 12
    offsets = []
    for number, path in enumerate(paths):
        with path.open("wb") as file:
            for index in np.flatnonzero(shard == number):
                file.write(b"junk" * (index % 3))
                offsets.append(file.tell())
                file.write(jpegs[index])
    return Extents(
        shard_paths=paths,
        shard=shard.astype(np.int32),
        offset=np.array(offsets),
        nbytes=np.array([len(jpeg) for jpeg in jpegs]),
        key=np.array([f"n{index:08d}_{index}" for index in range(COUNT)], "S"),
        label=np.arange(COUNT, dtype=np.int32) % 7,
        width=np.array([image.shape[1] for image in decoded], np.uint16),
        height=np.array([image.shape[0] for image in decoded], np.uint16),
        pixels=np.zeros(COUNT, bool),
    )
