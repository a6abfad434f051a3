"""What is done to pixels, as values: they hold numbers and open nothing.

The numbers of published recipes are in `published`.

Names and defaults are torchvision's (RandomResizedCrop, Resize and CenterCrop, TenCrop, Normalize).
"""

import math
from dataclasses import dataclass
from typing import get_args

from imnet_data.arguments import MAX_SIDE, integer, number, numbers, one_of
from imnet_data.augment.recipes import ColorJitter, Erasing, Mix, Policy
from imnet_data.rng import MAX_REPEATS
from imnet_data.transforms.pixels import FILTERS, Filter

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, R G B, where 255 is 1
STD = (0.229, 0.224, 0.225)


def require_pixels(filter: str, mean: object, std: object) -> None:
    """Raise a ValueError for what cannot be a filter, a mean or a standard deviation."""
    one_of("filter", filter, FILTERS)
    numbers("mean", mean, 3)
    numbers("std", std, 3, above=0)


def require_crop(scale: object, ratio: object, flip: object) -> None:
    """Raise a ValueError for what cannot be drawn from."""
    for name, value in (("scale", scale), ("ratio", ratio)):
        numbers(name, value, 2, above=0)
        assert isinstance(value, tuple)
        number(f"{name}[1]", value[1], least=value[0])
    number("flip", flip, least=0, most=1)


def require_instance(name: str, value: object, *allowed: type) -> None:
    """Raise a ValueError unless a value is None, or an instance of what is allowed."""
    if value is not None and not isinstance(value, allowed):
        names = ", ".join(one.__name__ for one in allowed)
        raise ValueError(f"{name} is {value!r}; allowed are None, {names}")


@dataclass(frozen=True, kw_only=True)
class Progressive:
    """An image size that grows with the epoch: small and fast at first.

    Source: libffcv/ffcv-imagenet, train_imagenet.py, get_resolution.
    """

    min_size: int  # pixels, up to and including start_epoch
    max_size: int  # pixels, from end_epoch on
    start_epoch: int  # where growing starts
    end_epoch: int  # where it ends
    multiple: int = 32  # sizes between are rounded to a multiple of this

    def __post_init__(self) -> None:
        integer("min_size", self.min_size, least=1, most=MAX_SIDE)
        integer("max_size", self.max_size, least=self.min_size, most=MAX_SIDE)
        integer("start_epoch", self.start_epoch, least=0)
        integer("end_epoch", self.end_epoch, least=self.start_epoch)
        # of a larger one, the nearest multiple of a size may be 0
        integer("multiple", self.multiple, least=1, most=2 * self.min_size - 1)

    def at(self, epoch: int) -> int:
        """Return the size in pixels for `epoch`; halves are rounded to the even multiple."""
        if epoch <= self.start_epoch:
            return self.min_size
        if epoch >= self.end_epoch:
            return self.max_size
        slope = (self.max_size - self.min_size) / (self.end_epoch - self.start_epoch)
        size = slope * (epoch - self.start_epoch) + self.min_size
        return round(size / self.multiple) * self.multiple


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """A random part of each image, resized to a square, mirrored half of the time.

    From `policy` on, what is done to whole batches of tensors on their device, in this order (see
    `augment`); `TorchLoader` does it.
    """

    size: int | Progressive = 224  # of the square, in pixels
    scale: tuple[float, float] = (0.08, 1.0)  # least and greatest share of the image's area
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # least and greatest width / height of the part
    flip: float = 0.5  # probability of mirroring left to right
    filter: Filter = "bilinear"  # antialiased, as Pillow has it
    mean: tuple[float, float, float] = MEAN  # subtracted where 255 is 1
    std: tuple[float, float, float] = STD  # divided by then
    repeats: int = 1  # how often each record comes in a row, another part of it each time
    policy: Policy | None = None
    color_jitter: ColorJitter | None = None
    erasing: Erasing | None = None  # of normalised images
    mix: Mix | None = None  # mixup and cutmix: labels become soft targets

    def __post_init__(self) -> None:
        if not isinstance(self.size, Progressive):
            integer("size", self.size, least=1, most=MAX_SIDE)
        require_crop(self.scale, self.ratio, self.flip)
        require_pixels(self.filter, self.mean, self.std)
        integer("repeats", self.repeats, least=1, most=MAX_REPEATS)
        require_instance("policy", self.policy, *get_args(Policy))
        require_instance("color_jitter", self.color_jitter, ColorJitter)
        require_instance("erasing", self.erasing, Erasing)
        require_instance("mix", self.mix, Mix)

    @property
    def is_augmented(self) -> bool:
        """Whether tensors are more than normalised pixels."""
        return any((self.policy, self.color_jitter, self.erasing, self.mix))

    def size_at(self, epoch: int) -> int:
        """Return the side of the square in pixels for `epoch`."""
        return self.size.at(epoch) if isinstance(self.size, Progressive) else self.size


@dataclass(frozen=True, kw_only=True)
class EvalRecipe:
    """The shorter side resized, then the square in the middle, or one of TenCrop's ten."""

    resize: int = 256  # of the shorter side, in pixels
    crop: int = 224  # side of the square, in pixels; black is added where the image is smaller
    filter: Filter = "bilinear"  # antialiased, as Pillow has it
    mean: tuple[float, float, float] = MEAN  # subtracted where 255 is 1
    std: tuple[float, float, float] = STD  # divided by then
    view: int | None = None  # 0 to 9, in TenCrop's order: corners, centre, the same mirrored
    border: int = 0  # pixels at each edge that are cut off first

    def __post_init__(self) -> None:
        integer("resize", self.resize, least=1, most=MAX_SIDE)
        # views lie in the image
        most = MAX_SIDE if self.view is None else self.resize
        integer("crop", self.crop, least=1, most=most)
        integer("border", self.border, least=0, most=MAX_SIDE)
        require_pixels(self.filter, self.mean, self.std)
        if self.view is not None:
            integer("view", self.view, least=0, most=9)

    @property
    def is_augmented(self) -> bool:
        """Whether tensors are more than normalised pixels: never."""
        return False

    @property
    def is_mirrored(self) -> bool:
        """Whether the square is mirrored left to right."""
        return self.view is not None and self.view >= 5

    @classmethod
    def timm(
        cls,
        *,
        input_size: int | tuple[int, int, int] = 224,
        crop_pct: float = 0.875,
        interpolation: Filter = "bicubic",
        mean: tuple[float, float, float] = MEAN,
        std: tuple[float, float, float] = STD,
        crop_mode: str = "center",
    ) -> "EvalRecipe":
        """Return timm's form: the square is `crop_pct` of the resized shorter side.

        Takes what timm's `resolve_data_config` returns. Source:
        timm.data.transforms_factory.transforms_imagenet_eval.

        Args:
            input_size: of the square, or channels, height and width of it.
            crop_pct: its side as a share of the resized shorter side.
            interpolation: as `filter`.
            mean: subtracted where 255 is 1.
            std: divided by then.
            crop_mode: "center" is the only one there is.
        """
        size = square_of(input_size)
        number("crop_pct", crop_pct, above=0, most=1)
        one_of("interpolation", interpolation, FILTERS)
        one_of("crop_mode", crop_mode, ("center",))
        resize = math.floor(size / crop_pct)
        return cls(resize=resize, crop=size, filter=interpolation, mean=mean, std=std)


def square_of(input_size: object) -> int:
    """Return the side of timm's `input_size`: a side, or 3 channels, height and width.

    Raises:
        ValueError: if it is no square of three channels.
    """
    if isinstance(input_size, int):
        return integer("input_size", input_size, least=1, most=MAX_SIDE)
    match input_size:
        case (3, int(height), width) if height == width:
            return integer("input_size[1]", height, least=1, most=MAX_SIDE)
    raise ValueError(f"input_size is {input_size!r}; allowed are SIDE and (3, SIDE, SIDE)")
