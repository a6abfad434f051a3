"""A crop cut out of the compressed bytes is an ordinary JPEG: every decoder has its pixels."""

import random

import numpy as np
import pytest
import simplejpeg
from baseline import Kind, random_jpeg
from jpeg_images import by_pillow, cut, encoded, photo, random_box

from imnet_data import jpeg

# those that TurboJPEG, and so simplejpeg, has a name for
NAMED = [
    [(1, 1)],
    [(1, 1), (1, 1), (1, 1)],
    [(2, 1), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(1, 4), (1, 1), (1, 1)],
    [(2, 2), (2, 1), (2, 1)],
    [(2, 2), (1, 2), (1, 2)],
]
UNNAMED = [
    [(2, 2), (2, 1), (1, 2)],
    [(1, 1), (2, 2), (1, 1)],
    [(3, 1), (1, 1), (1, 1)],
    [(4, 2), (1, 1), (1, 1)],
    [(4, 1), (2, 1), (2, 1)],
]


def seekable_file(sampling, rng):
    """A random file, original and with restart markers."""
    kind = Kind(
        width=rng.randint(1, 200),
        height=rng.randint(1, 80),
        sampling=sampling,
        density=rng.choice([0.02, 0.3]),
        adobe=rng.choice([None, 0, 1]),
    )
    data = random_jpeg(kind, rng)
    return data, jpeg.seekable(data, target_width=rng.choice([1, 16, 64]))


def check(sampling, decode):
    for seed in range(5):
        rng = random.Random(seed)
        data, made = seekable_file(sampling, rng)
        expected = by_pillow(data)
        for _ in range(4):
            box = random_box(rng, expected.shape[1], expected.shape[0])
            smaller, inside = jpeg.crop(made, box)
            assert np.array_equal(cut(decode(smaller), inside), cut(expected, box)), (seed, box)


@pytest.mark.parametrize("sampling", NAMED + UNNAMED, ids=str)
def test_pillow_decodes_a_crop_to_the_pixels_of_the_whole(sampling):
    check(sampling, by_pillow)


@pytest.mark.parametrize("sampling", NAMED, ids=str)
def test_simplejpeg_decodes_a_crop_to_the_pixels_of_the_whole(sampling):
    check(sampling, simplejpeg.decode_jpeg)


@pytest.mark.parametrize("sampling", NAMED + UNNAMED, ids=str)
def test_opencv_decodes_a_crop_to_the_pixels_of_the_whole(sampling):
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    check(
        sampling,
        lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1],
    )


def by_torchvision(torchvision, data, device="cpu"):
    torch = pytest.importorskip("torch")
    image = torchvision.io.decode_jpeg(
        torch.frombuffer(bytearray(data), dtype=torch.uint8),
        mode=torchvision.io.ImageReadMode.RGB,
        device=device,
    )
    return image.permute(1, 2, 0).cpu().numpy()


@pytest.fixture
def torchvision_io(torchvision):
    """torchvision, if its own decoder loads."""
    try:
        by_torchvision(torchvision, encoded(photo(8, 8)))
    except RuntimeError as error:
        if "Couldn't load the image extension" not in str(error):
            raise
        pytest.skip("torchvision's image extension was built for another torch")
    return torchvision


@pytest.mark.parametrize("sampling", NAMED + UNNAMED, ids=str)
def test_torchvision_decodes_a_crop_to_the_pixels_of_the_whole(torchvision_io, sampling):
    check(sampling, lambda data: by_torchvision(torchvision_io, data))


@pytest.mark.gpu
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_nvjpeg_decodes_a_crop_to_its_own_pixels_of_the_whole(torchvision_io, subsampling):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    original = encoded(photo(500, 375), quality=90, subsampling=subsampling)
    made, rng = jpeg.seekable(original), random.Random(subsampling)
    whole = by_torchvision(torchvision_io, original, "cuda").astype(int)
    for _ in range(20):
        box = random_box(rng, 500, 375)
        smaller, inside = jpeg.crop(made, box)
        pixels = by_torchvision(torchvision_io, smaller, "cuda")
        # its upsampling of chroma is no part of the standard, so its neighbours may differ a little
        assert np.abs(cut(pixels, inside) - cut(whole, box)).mean() < 0.5, box
