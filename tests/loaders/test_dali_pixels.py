"""DALI's pixels image by image: upsampling of chroma, and JPEGs that decoders read differently."""

import io
from typing import Any

import numpy as np
import pytest
import simplejpeg
from image_source import differences, epoch_on_host, source_of_files
from jpeg_images import by_pillow, encoded, kinds_of_jpeg, photo, stripes
from PIL import Image

from imnet_data import jpeg
from imnet_data.errors import ImageError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.jpegs import JpegReader
from imnet_data.loaders.schedule import Schedule
from imnet_data.transforms import EvalRecipe, TrainRecipe

SIDE = 96
WHOLE = EvalRecipe(resize=SIDE, crop=SIDE)  # images of this size are decoded, and no more
# levels, mean of an image: the resize of DALI rounds once, and nvJPEG rounds otherwise, too
MOST = {"cpu": 0.5, "cuda": 2.0}


def on_a_gpu():
    torch: Any = pytest.importorskip("torch", reason="a GPU is driven by torch")
    return pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, on_a_gpu()])]


def decoded(source, recipe, device=None, **options):
    """Return an epoch by DALI on a device, or by the CPU loader."""
    count = len(source.label)
    order = Schedule(count=count, batch_size=4, order="sequential", last="ragged")
    if device is None:
        return epoch_on_host(CpuLoader(source, recipe, order, threads=1))
    pytest.importorskip("nvidia.dali", reason="DALI is not installed: the extra `dali`")
    from imnet_data.loaders.dali import DaliLoader

    return epoch_on_host(DaliLoader(source, recipe, order, device=device, threads=1, **options))


@pytest.fixture(scope="module")
def striped():
    return [
        encoded(stripes(SIDE, SIDE, phase=phase), quality=95, subsampling=2) for phase in range(9)
    ]


def test_stripes_show_whether_chroma_is_interpolated(striped):
    """The difference that the next test would find, by libjpeg-turbo's own fast upsampling."""
    for image in striped:
        fast = simplejpeg.decode_jpeg(image, fastupsample=True)
        assert np.abs(fast.astype(int) - jpeg.decode(image)).mean() > 3 * MOST["cuda"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("hw_decoder_load", [0.0, 1.0])
@pytest.mark.parametrize("recipe", [WHOLE, TrainRecipe(size=48, scale=(0.4, 0.9))])
def test_chroma_is_interpolated_by_each_decoder_of_dali(
    striped, tmp_path, recipe, hw_decoder_load, device
):
    source = source_of_files(map(jpeg.seekable, striped), tmp_path / "images")
    images = decoded(source, recipe, device, hw_decoder_load=hw_decoder_load)
    assert differences(images, decoded(source, recipe)).max() < MOST[device]


def test_what_decoders_read_differently_goes_as_exact_pixels(tmp_path):
    images, are_alike = zip(*kinds_of_jpeg(SIDE).values(), strict=True)
    source = source_of_files(images, tmp_path / "images")
    order = Schedule(count=len(images), batch_size=len(images), order="sequential", last="ragged")
    reader = JpegReader(source, WHOLE, order, threads=1, cut=False)
    try:
        (batch,) = reader.epoch(0)
    finally:
        reader.close()
    assert [image[:2] == b"\xff\xd8" for image in batch.images] == list(are_alike)
    for sent, image, is_alike in zip(batch.images, images, are_alike, strict=True):
        if is_alike:
            assert sent == image
        else:
            pixels = np.asarray(Image.open(io.BytesIO(sent)))
            np.testing.assert_array_equal(pixels, by_pillow(image))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("recipe", [WHOLE, TrainRecipe(size=48)], ids=["evaluate", "train"])
def test_each_kind_of_jpeg_is_decoded_in_its_place(tmp_path, device, recipe):
    images, are_alike = zip(*kinds_of_jpeg(SIDE).values(), strict=True)
    source = source_of_files(images, tmp_path / "images")
    found = differences(decoded(source, recipe, device), decoded(source, recipe))
    assert found.max() < MOST[device]
    if recipe is WHOLE:
        assert found[~np.array(are_alike)].max() == 0


@pytest.mark.parametrize("missing", [2, 1, 40])
@pytest.mark.parametrize("recipe", [WHOLE, TrainRecipe(size=48)], ids=["evaluate", "train"])
def test_a_truncated_jpeg_is_found_before_dali_has_it(tmp_path, missing, recipe):
    """A decoder may fill it; without restart markers it goes whole, also where it is trained on."""
    images = [encoded(photo(SIDE, SIDE, seed=seed), quality=90) for seed in range(3)]
    images[1] = images[1][:-missing]
    source = source_of_files(images, tmp_path / "images")
    message = r"image_1 \(record 1\) in .*: the JPEG is cut short: there is no end-of-image marker;"
    with pytest.raises(ImageError, match=message):
        decoded(source, recipe, "cpu")


def test_bytes_behind_the_end_are_no_truncation(tmp_path):
    images = [encoded(photo(SIDE, SIDE, seed=seed)) + b"\0\xd9trailer" for seed in range(2)]
    source = source_of_files(images, tmp_path / "images")
    assert differences(decoded(source, WHOLE, "cpu"), decoded(source, WHOLE)).max() < MOST["cpu"]
