"""`TorchvisionLoader` on the CPU, held against the CPU loader sample by sample; and on a GPU."""

import numpy as np
import pytest

from imnet_data.errors import ImageError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.transforms import EvalRecipe, TrainRecipe

torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")

COUNT = 23
RECIPES = {
    "train": TrainRecipe(size=40),
    "train-bicubic": TrainRecipe(size=40, filter="bicubic", flip=1.0),
    "evaluate": EvalRecipe(resize=48, crop=40),
    "padded": EvalRecipe(resize=40, crop=47),
    "mirrored-corner": EvalRecipe(resize=48, crop=40, view=6),
}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
        ],
    ),
]
# nvJPEG repeats samples of chroma where libjpeg-turbo interpolates them: with libjpeg-turbo's own
# fast upsampling, which does so as well, these batches differ by 1.5 levels at the most
MOST_MEAN_DIFFERENCE = {"cpu": 0.5, "cuda": 2}  # levels, of a batch


@pytest.fixture(autouse=True)
def loaders(torchvision):
    """The module, where torchvision's decoder can be loaded."""
    del torchvision
    from torchvision.io import decode_jpeg

    try:
        decode_jpeg(torch.zeros(1, dtype=torch.uint8))
    except RuntimeError as error:
        if "extension" in str(error):
            pytest.skip("torchvision is here without its image extension")
    from imnet_data.loaders import nvjpeg

    return nvjpeg


def schedule(**changes):
    return Schedule(**{"count": COUNT, "batch_size": 4, "seed": 5, "last": "ragged", **changes})


def epoch_of(loaders, source, recipe, *, device="cpu", start=0, order=None):
    options = {"device": device, "threads": 1}
    with loaders.TorchvisionLoader(source, recipe, order or schedule(), **options) as loader:
        return [
            batch._replace(images=np.asarray(torch.as_tensor(batch.images).cpu()))
            for batch in loader.epoch(1, start=start)
        ], loader


def expected_of(source, recipe):
    with CpuLoader(source, recipe, schedule(), threads=1) as loader:
        return list(loader.epoch(1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_batches_are_about_those_of_the_cpu_loader(loaders, extents, recipe, device):
    """Grey, progressive and CMYK images are among them."""
    batches, loader = epoch_of(loaders, extents, recipe, device=device)
    assert loader.decoded_by_pillow == 1  # the CMYK one
    for batch, other in zip(batches, expected_of(extents, recipe), strict=True):
        np.testing.assert_array_equal(batch.indices, other.indices)
        np.testing.assert_array_equal(batch.labels, other.labels)
        assert batch.images.dtype == np.uint8
        assert batch.images.shape == other.images.shape
        difference = np.abs(batch.images.astype(int) - other.images).mean()
        assert difference < MOST_MEAN_DIFFERENCE[device]


def test_an_epoch_goes_on_from_any_batch(loaders, extents):
    whole, _ = epoch_of(loaders, extents, RECIPES["train"])
    for start in (1, 5, 6):
        rest, _ = epoch_of(loaders, extents, RECIPES["train"], start=start)
        assert len(rest) == 6 - start
        for batch, other in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(batch.images, other.images)


def test_evaluation_on_40_ranks_has_each_record_once(loaders, extents):
    orders = [
        schedule(batch_size=1, world_size=40, rank=rank, order="sequential") for rank in range(40)
    ]
    batches = [epoch_of(loaders, extents, RECIPES["padded"], order=order)[0] for order in orders]
    indices = [batch.indices for rank in batches for batch in rank]
    assert sorted(np.concatenate(indices)) == list(range(COUNT))


@pytest.mark.parametrize("device", DEVICES)
def test_a_damaged_record_is_named(loaders, extents, jpegs, device):
    nbytes = extents.nbytes.copy()
    nbytes[17] = len(jpegs[17]) // 2
    damaged = extents._replace(nbytes=nbytes)
    with pytest.raises(ImageError, match=r"n00000017_17 \(record 17\) in .*: torchvision cannot"):
        epoch_of(loaders, damaged, RECIPES["evaluate"], device=device)
