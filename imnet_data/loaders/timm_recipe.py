"""What timm's `create_loader` is asked for, as recipes of ours; what has none is refused by name.

Distributions are timm's, draws are ours. Source: timm 1.0, data/transforms_factory.py,
data/auto_augment.py and data/random_erasing.py.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from imnet_data.augment.recipes import ColorJitter, Erasing, TimmRandAugment
from imnet_data.transforms import EvalRecipe, TrainRecipe
from imnet_data.transforms.recipe import square_of

_SECTION = re.compile(r"(m|n)(\d+)|(mstd|p)(\d+|\d*\.\d+)|(inc)(1)")
_MOST_STD = 100  # beyond it, timm draws evenly


def eval_recipe(given: dict[str, Any]) -> EvalRecipe:
    """Return the recipe for timm's arguments with is_training=False."""
    return EvalRecipe.timm(
        input_size=given["input_size"],
        crop_pct=given["crop_pct"] or 0.875,
        interpolation=given["interpolation"],
        mean=tuple(given["mean"]),
        std=tuple(given["std"]),
        crop_mode=given["crop_mode"] or "center",
    )


def train_recipe(given: dict[str, Any]) -> TrainRecipe:
    """Return the recipe for timm's arguments with is_training=True.

    Raises:
        ValueError: if there is none that draws as timm does.
    """
    has_policy = bool(given["auto_augment"])  # takes the place of the colour jitter
    return TrainRecipe(
        size=square_of(given["input_size"]),
        scale=tuple(given["scale"] or (0.08, 1.0)),
        ratio=tuple(given["ratio"] or (3 / 4, 4 / 3)),
        flip=given["hflip"],
        filter=given["interpolation"],
        mean=tuple(given["mean"]),
        std=tuple(given["std"]),
        policy=_policy(given) if has_policy else None,
        color_jitter=None if has_policy else _color_jitter(given["color_jitter"]),
        erasing=_erasing(given) if given["re_prob"] else None,
    )


def _policy(given: dict[str, Any]) -> TimmRandAugment:
    text, interpolation = given["auto_augment"], given["interpolation"]
    name, *sections = text.split("-")
    found: dict[str, str] = {}
    for match in filter(None, map(_SECTION.fullmatch, sections)):
        key, number = filter(None, match.groups())
        found[key] = number
    is_known = name == "rand" and len(found) == len(sections) and "inc" in found
    if not is_known or float(found.get("mstd", 0)) > _MOST_STD:
        raise ValueError(
            f"auto_augment is {text!r}; what is drawn here is timm's 'rand-m9-mstd0.5-inc1', with "
            "other numbers and with n and p, and always with inc1"
        )
    if interpolation != "bilinear":
        raise ValueError(
            f"interpolation is {interpolation!r}, which auto_augment would have, too; pass "
            "interpolation='bilinear', or auto_augment=None"
        )
    return TimmRandAugment(
        magnitude=int(found.get("m", 10)),
        magnitude_std=float(found.get("mstd", 0)),
        operation_count=int(found.get("n", 2)),
        probability=float(found.get("p", 0.5)),
        fill=_fill(given["mean"]),
    )


def _fill(mean: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (min(255, round(255 * share)) for share in mean)
    return red, green, blue


def _color_jitter(asked: float | tuple[float, ...] | None) -> ColorJitter | None:
    factors = tuple(asked) if isinstance(asked, list | tuple) else (asked or 0.0,) * 3
    if not any(factors):
        return None
    brightness, contrast, saturation, hue = (*factors, 0.0)[:4]
    return ColorJitter(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)


def _erasing(given: dict[str, Any]) -> Erasing:
    modes: dict[str, Literal["const", "pixel"]] = {"": "const", "const": "const", "pixel": "pixel"}
    mode = modes.get(given["re_mode"].lower())
    if mode is None:
        raise ValueError(f"re_mode is {given['re_mode']!r}; what is done here is const and pixel")
    return Erasing(
        probability=given["re_prob"], scale=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3), mode=mode
    )
