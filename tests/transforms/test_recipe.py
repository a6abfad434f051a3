import dataclasses

import numpy as np
import pytest

from imnet_data.transforms import EvalRecipe, Progressive, TrainRecipe


def test_recipes_are_values():
    assert TrainRecipe() == TrainRecipe(size=224)
    assert len({EvalRecipe(), EvalRecipe(resize=256, crop=224), EvalRecipe(crop=192)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainRecipe().size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("size", "crop_pct", "resize"),
    [(224, 0.875, 256), (224, 0.965, 232), (224, 0.9, 248), (288, 1.0, 288), (384, 0.95, 404)],
)
def test_timm_form_rounds_down(size, crop_pct, resize):
    recipe = EvalRecipe.timm(input_size=size, crop_pct=crop_pct)
    assert recipe == EvalRecipe(resize=resize, crop=size, filter="bicubic")
    assert recipe == EvalRecipe.timm(input_size=(3, size, size), crop_pct=crop_pct)


def test_timm_form_takes_what_timm_resolves(timm):
    model = timm.create_model("resnet50", pretrained=False)
    config = timm.data.resolve_data_config({}, model=model)
    assert EvalRecipe.timm(**config) == EvalRecipe(
        resize=235, crop=224, filter="bicubic", mean=config["mean"], std=config["std"]
    )
    assert EvalRecipe.timm(**{**config, "interpolation": "bilinear"}).filter == "bilinear"


def test_progressive_size_follows_ffcv():
    sizes = Progressive(min_size=160, max_size=192, start_epoch=65, end_epoch=76, multiple=32)
    interpolated = [
        int(np.round(np.interp(epoch, [65, 76], [160, 192]) / 32)) * 32 for epoch in range(88)
    ]
    assert [sizes.at(epoch) for epoch in range(88)] == interpolated
    assert [TrainRecipe(size=sizes).size_at(epoch) for epoch in (0, 87)] == [160, 192]
    assert TrainRecipe(size=176).size_at(5) == 176


def test_progressive_size_may_jump():
    sizes = Progressive(min_size=128, max_size=224, start_epoch=3, end_epoch=3)
    assert [sizes.at(epoch) for epoch in (2, 3, 4)] == [128, 128, 224]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainRecipe(size=0), r"size is 0; allowed are integers from 1 to 65,535"),
        (lambda: TrainRecipe(scale=(0.5, 0.1)), r"scale\[1\] is 0.1; allowed are numbers from 0.5"),
        (lambda: TrainRecipe(ratio=(0.0, 1.0)), r"ratio\[0\] is 0.0; allowed are numbers above 0"),
        (lambda: TrainRecipe(flip=1.5), r"flip is 1.5; allowed are numbers from 0 to 1"),
        (
            lambda: TrainRecipe(filter="box"),  # type: ignore[arg-type]
            r"filter is 'box'; allowed are bilinear, bicubic",
        ),
        (lambda: EvalRecipe(crop=0), r"crop is 0; allowed are integers from 1 to 65,535"),
        (lambda: EvalRecipe.timm(input_size=(1, 8, 8)), r"input_size is \(1, 8, 8\); allowed"),
        (lambda: EvalRecipe.timm(input_size=(3, 8, 9)), r"input_size is \(3, 8, 9\); allowed"),
        (lambda: EvalRecipe.timm(crop_mode="squash"), r"crop_mode is 'squash'; allowed are center"),
        (
            lambda: EvalRecipe.timm(interpolation="random"),  # type: ignore[arg-type]
            r"interpolation is 'random'; allowed",
        ),
        (lambda: EvalRecipe.timm(crop_pct=1.5), r"crop_pct is 1.5; allowed are numbers above 0"),
        (
            lambda: Progressive(min_size=9, max_size=8, start_epoch=0, end_epoch=1),
            r"max_size is 8; allowed are integers from 9 to 65,535",
        ),
        (
            lambda: Progressive(min_size=8, max_size=9, start_epoch=2, end_epoch=1),
            r"end_epoch is 1; allowed are integers from 2",
        ),
    ],
)
def test_wrong_numbers_say_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()
