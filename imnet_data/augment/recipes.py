"""What is drawn for the images of a batch, as values; they do not need torch.

Source: torchvision 0.28, transforms/v2 and transforms/autoaugment.py; timm 1.0, data/mixup.py,
data/random_erasing.py and data/auto_augment.py (names and defaults).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from imnet_data.augment.warps import Interpolation

MODES = ("batch", "pair", "elem")


def require_probability(name: str, probability: float) -> None:
    """Refuse what is not from 0 to 1."""
    if not 0 <= probability <= 1:
        raise ValueError(f"{name} is {probability}; allowed are 0 to 1")


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """A number of operations, all at one magnitude; defaults are torchvision's."""

    operation_count: int = 2  # for each image
    magnitude: int = 9  # 0 to bins - 1
    bins: int = 31
    interpolation: Interpolation = "nearest"
    fill: tuple[int, int, int] = (0, 0, 0)  # R G B

    def __post_init__(self) -> None:
        if self.operation_count < 0 or not 0 <= self.magnitude < self.bins or self.bins < 2:
            raise ValueError(
                f"operation_count is {self.operation_count}, magnitude {self.magnitude}, bins "
                f"{self.bins}; expected 0 or more, 0 to bins - 1, 2 or more"
            )


@dataclass(frozen=True, kw_only=True)
class AutoAugment:
    """One of 25 pairs of operations, each of them with its probability: ImageNet's policy."""

    interpolation: Interpolation = "nearest"
    fill: tuple[int, int, int] = (0, 0, 0)  # R G B


@dataclass(frozen=True, kw_only=True)
class TrivialAugmentWide:
    """One operation at a random magnitude."""

    bins: int = 31  # of magnitudes
    interpolation: Interpolation = "nearest"
    fill: tuple[int, int, int] = (0, 0, 0)  # R G B

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ValueError(f"bins is {self.bins}; at least 2 is needed")


@dataclass(frozen=True, kw_only=True)
class TimmRandAugment:
    """timm's RandAugment "rand-m{magnitude}-mstd{magnitude_std}-inc1-n{...}-p{...}".

    timm draws bilinear or bicubic for each image; here it is one for all.
    """

    magnitude: float = 9.0  # of 10
    magnitude_std: float = 0.0  # of the normal distribution around it
    operation_count: int = 2  # for each image
    probability: float = 0.5  # of each operation
    interpolation: Interpolation = "bilinear"
    fill: tuple[int, int, int] = (124, 116, 104)  # R G B: ImageNet's mean

    def __post_init__(self) -> None:
        require_probability("probability", self.probability)
        if not 0 <= self.magnitude <= 10 or self.magnitude_std < 0 or self.operation_count < 0:
            raise ValueError(
                f"magnitude is {self.magnitude}, magnitude_std {self.magnitude_std}, "
                f"operation_count {self.operation_count}; expected 0 to 10, 0 or more, 0 or more"
            )


Policy = RandAugment | AutoAugment | TrivialAugmentWide | TimmRandAugment
PolicyName = Literal["auto-augment", "rand-augment", "trivial-augment-wide", "rand-m6-mstd0.5-inc1"]

# bilinear and two operations at magnitude 9 of 30 are what torchvision's script has; the last one
# is timm's: magnitude 6 of 10 with a deviation of 0.5, "increasing"
POLICIES: dict[PolicyName, Policy] = {
    "auto-augment": AutoAugment(interpolation="bilinear"),
    "rand-augment": RandAugment(interpolation="bilinear"),
    "trivial-augment-wide": TrivialAugmentWide(interpolation="bilinear"),
    "rand-m6-mstd0.5-inc1": TimmRandAugment(magnitude=6, magnitude_std=0.5),
}


@dataclass(frozen=True, kw_only=True)
class ColorJitter:
    """How far each factor may be from what changes nothing, evenly drawn."""

    brightness: float = 0.0  # factor from 1 - brightness, or 0, to 1 + brightness
    contrast: float = 0.0  # likewise
    saturation: float = 0.0  # likewise
    hue: float = 0.0  # at most 0.5: a share of the circle, either way

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; allowed are 0 and more")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue is {self.hue}; allowed are 0 to 0.5")


@dataclass(frozen=True, kw_only=True)
class Erasing:
    """Which rectangles are erased, and with what; defaults are torchvision's."""

    probability: float = 0.5
    scale: tuple[float, float] = (0.02, 0.33)  # least and greatest share of the image's area
    ratio: tuple[float, float] = (0.3, 3.3)  # least and greatest height / width
    mode: Literal["const", "pixel"] = "const"  # "pixel": normal noise, for float images
    value: float = 0.0  # of "const", in the unit of the images

    def __post_init__(self) -> None:
        require_probability("probability", self.probability)
        for name, (low, high) in (("scale", self.scale), ("ratio", self.ratio)):
            if not 0 < low <= high:
                raise ValueError(f"{name} is {low}, {high}; expected 0 < least <= greatest")
        if self.mode not in ("const", "pixel"):
            raise ValueError(f"mode is {self.mode!r}; allowed are const, pixel")


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How images and their targets are mixed; names are timm's."""

    mixup_alpha: float = 0.0  # of the Beta distribution of shares, 0 for no mixup
    cutmix_alpha: float = 0.0  # likewise
    probability: float = 1.0  # of mixing at all
    switch_probability: float = 0.5  # of cutmix, where both are on
    mode: Literal["batch", "pair", "elem"] = "batch"  # what has a draw of its own
    smoothing: float = 0.0  # of the soft targets, spread evenly over all classes

    def __post_init__(self) -> None:
        for name in ("mixup_alpha", "cutmix_alpha"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; allowed are 0 and more")
        require_probability("probability", self.probability)
        require_probability("switch_probability", self.switch_probability)
        require_probability("smoothing", self.smoothing)
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}; allowed are {', '.join(MODES)}")


@dataclass(frozen=True, kw_only=True)
class ViewColors:
    """What is done to the colours of one view of an image, in this order."""

    jitter: ColorJitter | None = None
    jitter_probability: float = 1.0
    greyscale: float = 0.0  # probability
    blur: float = 0.0  # probability
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # least and greatest, evenly drawn, in pixels
    solarize: float = 0.0  # probability of inverting values from 128 on

    def __post_init__(self) -> None:
        for name in ("jitter_probability", "greyscale", "blur", "solarize"):
            require_probability(name, getattr(self, name))
        low, high = self.blur_sigma
        if not 0 < low <= high < float("inf"):
            raise ValueError(f"blur_sigma is {low}, {high}; expected 0 < least <= greatest")
