"""What is done to pixels, as values: they hold numbers and open nothing.

Names and defaults are torchvision's (RandomResizedCrop, Resize and CenterCrop, TenCrop, Normalize).
"""

import math
from dataclasses import dataclass

from imnet_data.transforms.pixels import FILTERS, Filter

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, R G B, where 255 is 1
STD = (0.229, 0.224, 0.225)


def _require(claim: bool, message: str) -> None:
    if not claim:
        raise ValueError(message)


def _require_filter(filter: str) -> None:
    _require(filter in FILTERS, f"filter is {filter!r}; allowed are {', '.join(FILTERS)}")


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
        _require(
            1 <= self.min_size <= self.max_size,
            f"sizes are {self.min_size} and {self.max_size}; needed is 1 <= min_size <= max_size",
        )
        _require(
            0 <= self.start_epoch <= self.end_epoch,
            f"epochs are {self.start_epoch} and {self.end_epoch}; needed is start <= end, from 0",
        )
        _require(self.multiple >= 1, f"multiple is {self.multiple}; at least 1 is needed")

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
    """A random part of each image, resized to a square, mirrored half of the time."""

    size: int | Progressive = 224  # of the square, in pixels
    scale: tuple[float, float] = (0.08, 1.0)  # least and greatest share of the image's area
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # least and greatest width / height of the part
    flip: float = 0.5  # probability of mirroring left to right
    filter: Filter = "bilinear"  # antialiased, as Pillow has it
    mean: tuple[float, float, float] = MEAN  # subtracted where 255 is 1
    std: tuple[float, float, float] = STD  # divided by then

    def __post_init__(self) -> None:
        size = self.size.min_size if isinstance(self.size, Progressive) else self.size
        _require(size >= 1, f"size is {size}; at least 1 is needed")
        for name, (low, high) in (("scale", self.scale), ("ratio", self.ratio)):
            _require(0 < low <= high, f"{name} is {low}, {high}; needed is 0 < least <= greatest")
        _require(0 <= self.flip <= 1, f"flip is {self.flip}; allowed are 0 to 1")
        _require_filter(self.filter)

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
        for name, side in (("resize", self.resize), ("crop", self.crop)):
            _require(side >= 1, f"{name} is {side}; at least 1 is needed")
        _require(self.border >= 0, f"border is {self.border}; allowed are 0 and more")
        _require_filter(self.filter)
        if self.view is not None:
            _require(0 <= self.view <= 9, f"view is {self.view}; allowed are 0 to 9")
            _require(
                self.crop <= self.resize,
                f"crop is {self.crop}; views need one of at most resize, {self.resize}",
            )

    @property
    def is_mirrored(self) -> bool:
        """Whether the square is mirrored left to right."""
        return self.view is not None and self.view >= 5

    @classmethod
    def timm(
        cls,
        *,
        size: int = 224,
        crop_pct: float = 0.875,
        filter: Filter = "bicubic",
        mean: tuple[float, float, float] = MEAN,
        std: tuple[float, float, float] = STD,
    ) -> "EvalRecipe":
        """Return timm's form: the square is `crop_pct` of the resized shorter side.

        Source: timm.data.transforms_factory.transforms_imagenet_eval, crop_mode "center".
        """
        _require(0 < crop_pct <= 1, f"crop_pct is {crop_pct}; allowed are above 0 to 1")
        resize = math.floor(size / crop_pct)
        return cls(resize=resize, crop=size, filter=filter, mean=mean, std=std)
