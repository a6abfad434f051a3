import numpy as np
import pytest

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
