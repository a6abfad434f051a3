"""Each operation equals torchvision's on Pillow's images; nothing else is an oracle for pixels."""

from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from imnet_data.augment import OPERATIONS, OperationDraw, apply_operations
from imnet_data.augment.hue import shift_hue
from imnet_data.augment.warps import Interpolation

_SIGNED = (0.0, 0.3, -0.3, 0.9, -0.9, 0.99, -0.99, 0.27, 0.063)
MAGNITUDES = {
    **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), _SIGNED),
    **dict.fromkeys(("ShearX", "ShearY"), (0.0, 0.3, -0.3, 0.09, -0.99, 0.033)),
    **dict.fromkeys(("TranslateX", "TranslateY"), (0.0, 1.0, -1.0, 9.0, -14.0, 32.0, -100.0)),
    "Rotate": (0.0, 9.0, -9.0, 30.0, 90.0, -90.0, 135.0, -4.5),
    "Posterize": (8.0, 7.0, 4.0, 2.0),
    "Solarize": (255.0, 0.0, 178.5, 85.0),
}
CASES: list[tuple[str, Interpolation]] = [
    *((name, "nearest") for name in OPERATIONS if name != "SolarizeAdd"),
    *((name, "bilinear") for name in ("TranslateX", "TranslateY", "Rotate")),  # shears: see below
]


def pil(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())


def tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def applied(
    images: Tensor, name: str, magnitudes: list[float], interpolation: Interpolation = "nearest"
) -> Tensor:
    column = np.array(magnitudes)[:, np.newaxis]
    draw = OperationDraw(np.full(column.shape, OPERATIONS.index(name)), column)
    return apply_operations(images, draw, interpolation=interpolation, fill=(9, 0, 255))


@pytest.mark.parametrize(("name", "interpolation"), CASES)
def test_each_operation_equals_torchvisions_on_pillow_images(
    torchvision: ModuleType, images: Tensor, name: str, interpolation: Interpolation
) -> None:
    from torchvision.transforms.autoaugment import _apply_op

    mode = torchvision.transforms.InterpolationMode(interpolation)
    for magnitude in MAGNITUDES.get(name, (0.0,)):
        for shape in (images, images[:, :, :17, :17], images[:, :, :1, :2]):
            ours = applied(shape, name, [magnitude] * len(shape), interpolation)
            for image, got in zip(shape, ours, strict=True):
                theirs = _apply_op(pil(image), name, magnitude, mode, fill=[9, 0, 255])
                assert torch.equal(got, tensor(theirs)), (name, magnitude, shape.shape)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_shears_equal_pillows(images: Tensor, interpolation: Interpolation) -> None:
    # torchvision takes the slope through atan and tan, which moves bilinear samples by an ulp
    mode = Image.Resampling[interpolation.upper()]
    for name in ("ShearX", "ShearY"):
        for slope in MAGNITUDES[name]:
            ours = applied(images, name, [slope] * len(images), interpolation)
            matrix = (1, slope, 0, 0, 1, 0) if name == "ShearX" else (1, 0, 0, slope, 1, 0)
            for image, got in zip(images, ours, strict=True):
                theirs = pil(image).transform(
                    (33, 20), Image.Transform.AFFINE, matrix, mode, fillcolor=(9, 0, 255)
                )
                assert torch.equal(got, tensor(theirs)), (name, slope)


def test_solarize_add_equals_timms(timm: ModuleType, images: Tensor) -> None:
    from timm.data.auto_augment import solarize_add

    for addend in (0, 33, 110):
        ours = applied(images, "SolarizeAdd", [addend] * len(images))
        theirs = [tensor(solarize_add(pil(image), addend)) for image in images]
        assert torch.equal(ours, torch.stack(theirs))


def test_hue_equals_torchvisions_on_pillow_images_for_all_kinds_of_colours(
    torchvision: ModuleType,
) -> None:
    random = np.random.default_rng(3)
    levels = [0, 1, 2, 60, 127, 128, 200, 254, 255]
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    pixels = np.concatenate([grid, random.integers(0, 256, (1, 20000, 3))], axis=1)
    image = torch.from_numpy(pixels.astype(np.uint8)).permute(2, 0, 1)
    for shift in (0.5, -0.5, 0.1, -0.1, 0.004, 0.25):
        ours = shift_hue(image.unsqueeze(0), torch.full((1, 1, 1, 1), shift, dtype=torch.float64))
        theirs = torchvision.transforms.functional.adjust_hue(pil(image), shift)
        assert torch.equal(ours[0], tensor(theirs)), shift


def test_hand_computed_values() -> None:
    row = torch.tensor([[0, 10, 20, 40]], dtype=torch.uint8).expand(1, 3, 1, 4)
    expected = {
        ("Brightness", 0.5): [0, 15, 30, 60],
        ("Contrast", -0.5): [9, 14, 19, 29],  # mean 17.5 is rounded to 18
        ("Color", -0.9): [0, 10, 20, 40],
        ("Posterize", 4.0): [0, 0, 16, 32],
        ("Solarize", 20.0): [0, 10, 235, 215],
        ("SolarizeAdd", 100.0): [100, 110, 120, 140],
        ("Invert", 0.0): [255, 245, 235, 215],
        ("AutoContrast", 0.0): [0, 63, 127, 255],
        ("TranslateX", 1.0): [-1, 0, 10, 20],
        ("Rotate", 180.0): [40, 20, 10, 0],
    }
    for (name, magnitude), values in expected.items():
        got = applied(row, name, [magnitude])[0, 0, 0].tolist()
        assert got == [9 if value < 0 else value for value in values], name


def test_an_image_has_its_own_operation_and_magnitude(images: Tensor) -> None:
    names = ["Invert", "Identity", "Rotate", "Rotate", "Equalize", "Solarize", "Posterize"]
    magnitudes = np.array([0, 0, 30, -90, 0, 100, 3], np.float64)[:, np.newaxis]
    numbers = np.array([OPERATIONS.index(name) for name in names])[:, np.newaxis]
    together = apply_operations(images, OperationDraw(numbers, magnitudes))
    for row in range(len(images)):
        draw = OperationDraw(numbers[row : row + 1], magnitudes[row : row + 1])
        alone = apply_operations(images[row : row + 1], draw)
        assert torch.equal(together[row], alone[0])


def test_an_unknown_interpolation_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match="interpolation is 'cubic'; allowed are nearest, bilinear"):
        applied(images, "Rotate", [1.0] * 7, "cubic")  # type: ignore[arg-type]


def test_memory_format_is_kept(images: Tensor) -> None:
    nhwc = images.contiguous(memory_format=torch.channels_last)
    for name in OPERATIONS:
        ours = applied(nhwc, name, [1.0] * len(images))
        assert ours.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(ours, applied(images, name, [1.0] * len(images)))
