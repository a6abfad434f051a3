"""Several views of each image, for self-supervised learning: boxes, sizes, and colours by chance.

Each view is a RandomResizedCrop with draws of its own, from (seed, epoch, index, view); those of
view 0 are a TrainRecipe's. All are made from one decode. Colours are changed on the device, view by
view: see `augment.ViewColors`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imnet_data.arguments import MAX_SIDE, integer, number
from imnet_data.augment.recipes import ColorJitter, ViewColors
from imnet_data.rng import MAX_VIEWS
from imnet_data.transforms.pixels import Filter
from imnet_data.transforms.recipe import (
    MEAN,
    STD,
    TrainRecipe,
    require_crop,
    require_instance,
    require_pixels,
)

Chances = float | Sequence[float]  # one probability for all views, or one per view


class Views(NamedTuple):
    """Some views that differ in their draws alone; a plain tuple will do."""

    number: int  # how many views
    size: int  # of the square, in pixels
    least: float  # share of the image's area
    most: float  # likewise


@dataclass(frozen=True, kw_only=True)
class MultiCropRecipe:
    """Several random parts of each image, each resized to a square, mirrored and coloured."""

    views: Sequence[tuple[int, int, float, float]]  # see Views
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # least and greatest width / height of a part
    flip: float = 0.5  # probability of mirroring left to right
    filter: Filter = "bicubic"  # antialiased, as Pillow has it
    mean: tuple[float, float, float] = MEAN  # subtracted where 255 is 1
    std: tuple[float, float, float] = STD  # divided by then
    # what is done to colours on the device, in this order
    color_jitter: ColorJitter | None = None
    jitter: Chances = 1.0  # of `color_jitter`
    greyscale: Chances = 0.0
    blur: Chances = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # least and greatest, evenly drawn, in pixels
    solarize: Chances = 0.0  # of inverting values from 128 on

    def __post_init__(self) -> None:
        given = self.views if isinstance(self.views, list | tuple) else ()
        if not given or not all(isinstance(one, list | tuple) and len(one) == 4 for one in given):
            raise ValueError(
                f"views are {self.views!r}; allowed are tuples of number, size, least and greatest "
                "share of the area"
            )
        for group in self.groups:
            integer("number of views", group.number, least=1, most=MAX_VIEWS)
            integer("size of views", group.size, least=1, most=MAX_SIDE)
            require_crop((group.least, group.most), self.ratio, self.flip)
        object.__setattr__(self, "views", self.groups)  # tuples, as a value has to be hashed
        integer("number of all views", self.view_count, least=1, most=MAX_VIEWS)
        require_pixels(self.filter, self.mean, self.std)
        require_instance("color_jitter", self.color_jitter, ColorJitter)
        for name in ("jitter", "greyscale", "blur", "solarize"):
            object.__setattr__(self, name, self._per_view(name, getattr(self, name)))
        self.colors(0)  # which looks at the range of the blur

    def _per_view(self, name: str, chances: Chances) -> tuple[float, ...]:
        given = (chances,) * self.view_count if isinstance(chances, int | float) else chances
        if isinstance(given, str) or len(given) != self.view_count:
            raise ValueError(
                f"{name} is {chances!r}; allowed are one probability, or one for each of "
                f"{self.view_count} views"
            )
        return tuple(
            number(f"{name}[{view}]", chance, least=0, most=1) for view, chance in enumerate(given)
        )

    @property
    def groups(self) -> tuple[Views, ...]:
        """Views of one size and share together, in their order."""
        return tuple(Views(*one) for one in self.views)

    @property
    def view_count(self) -> int:
        """The number of views of an image."""
        return sum(group.number for group in self.groups)

    @property
    def crops(self) -> tuple[TrainRecipe, ...]:
        """How each view is cut out and resized, one recipe per view."""
        return tuple(
            TrainRecipe(
                size=group.size,
                scale=(group.least, group.most),
                ratio=self.ratio,
                flip=self.flip,
                filter=self.filter,
                mean=self.mean,
                std=self.std,
            )
            for group in self.groups
            for _ in range(group.number)
        )

    @property
    def is_augmented(self) -> bool:
        """Whether tensors are more than normalised pixels."""
        return any(
            (one.jitter and one.jitter_probability) or one.greyscale or one.blur or one.solarize
            for one in map(self.colors, range(self.view_count))
        )

    def colors(self, view: int) -> ViewColors:
        """Return what is done to the colours of one view."""
        return ViewColors(
            jitter=self.color_jitter,
            jitter_probability=_of(view, self.jitter),
            greyscale=_of(view, self.greyscale),
            blur=_of(view, self.blur),
            blur_sigma=self.blur_sigma,
            solarize=_of(view, self.solarize),
        )


def _of(view: int, chances: Chances) -> float:
    return chances if isinstance(chances, int | float) else chances[view]
