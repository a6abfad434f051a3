import numpy as np
import pytest

from imnet_data.native import _native
from imnet_data.transforms import TrainRecipe, normalize

RECIPE = TrainRecipe()
EVERY_VALUE = np.stack([np.arange(256, dtype=np.uint8)] * 3, axis=-1).reshape(1, 8, 32, 3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_normalize_gives_the_numbers_of_torchvision(torchvision, noise, dtype, layout):
    import torch

    images = np.concatenate([EVERY_VALUE, noise(8, 32, seed=1)[np.newaxis]])
    to_tensor = torchvision.transforms.ToTensor()
    to_normal = torchvision.transforms.Normalize(RECIPE.mean, RECIPE.std)
    expected = torch.stack([to_normal(to_tensor(image)) for image in images])
    expected = expected.to(getattr(torch, dtype))
    made = normalize(images, mean=RECIPE.mean, std=RECIPE.std, dtype=dtype, layout=layout)
    tensor = torch.from_numpy(made)
    if dtype == "bfloat16":
        tensor = tensor.view(torch.bfloat16)
    if layout == "NHWC":
        tensor = tensor.permute(0, 3, 1, 2)
    assert tensor.dtype == expected.dtype
    assert torch.equal(tensor, expected)


# ImageNet's, Inception's, CLIP's, and some for which a product would round to another number
CONSTANTS = {
    "imagenet": (RECIPE.mean, RECIPE.std),
    "inception": ((0.5,) * 3, (0.5,) * 3),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "to one": ((0.0,) * 3, (1.0,) * 3),
    "to bytes": ((0.0,) * 3, (1 / 255,) * 3),
    "quotients": ((0.552, 0.97, 0.48), (0.657, 0.612, 0.96)),
    "overflow": ((0.5,) * 3, (1e-5, 1e-38, 1e-44)),
}


@pytest.mark.parametrize("constants", CONSTANTS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_value_of_every_channel_is_torchs_to_the_last_bit(simd, constants, dtype, layout):
    torch = pytest.importorskip("torch", reason="the oracle is torch")
    mean, std = CONSTANTS[constants]
    scale, means, stds = torch.tensor([(255.0,) * 3, mean, std]).view(3, 3, 1, 1)
    planes = torch.from_numpy(EVERY_VALUE).permute(0, 3, 1, 2)
    expected = planes.to(torch.float32).div(scale).sub(means).div(stds).to(getattr(torch, dtype))
    if layout == "NHWC":
        expected = expected.permute(0, 2, 3, 1)
    bits = "uint32" if dtype == "float32" else "uint16"
    made = normalize(EVERY_VALUE, mean=mean, std=std, dtype=dtype, layout=layout)
    expected_bits = expected.contiguous().view(getattr(torch, bits)).numpy()
    np.testing.assert_array_equal(made.view(bits), expected_bits)


@pytest.mark.parametrize("constants", CONSTANTS)
def test_products_take_the_place_of_quotients_where_they_are_equal(constants):
    native = _native.Normalization(*CONSTANTS[constants], "float32", True)
    assert native.by_products == (constants not in {"quotients", "overflow"})


def test_no_images_give_no_numbers():
    none = np.empty((0, 4, 4, 3), np.uint8)
    assert normalize(none, mean=RECIPE.mean, std=RECIPE.std).shape == (0, 3, 4, 4)


def test_wrong_arguments_say_what_is_allowed():
    mean, std = RECIPE.mean, RECIPE.std
    with pytest.raises(ValueError, match=r"images are uint8\[8, 32, 3\]; expected uint8\[n, h, w"):
        normalize(EVERY_VALUE[0], mean=mean, std=std)
    with pytest.raises(ValueError, match=r"dtype is 'int8'; allowed are float32, float16, bf"):
        normalize(EVERY_VALUE, mean=mean, std=std, dtype="int8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"layout is 'CHWN'; allowed are NCHW, NHWC"):
        normalize(EVERY_VALUE, mean=mean, std=std, layout="CHWN")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"std above zero"):
        normalize(EVERY_VALUE, mean=mean, std=(0.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"mean and std must be finite"):
        normalize(EVERY_VALUE, mean=(0.0, float("nan"), 0.0), std=std)
