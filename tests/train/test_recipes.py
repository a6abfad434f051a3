"""Recipes and the learning rate they give."""

import dataclasses

import pytest

from imnet_data.evaluation.torch_models import timm_recipe, torchvision_recipe
from imnet_data.train import recipes
from imnet_data.train.schedule import learning_rate


def test_every_recipe_says_where_it_is_from_and_what_it_gives():
    for name, recipe in recipes.RECIPES.items():
        assert recipe.name == name
        assert recipe.source
        assert recipe.expected_top1
    with pytest.raises(ValueError, match="unknown recipe 'v3'; known: torchvision-v1,"):
        recipes.get("v3")


def test_sizes_and_accuracies_are_those_of_the_published_weights(torchvision, timm):
    weights = torchvision.models.ResNet50_Weights
    for name, version in (("torchvision-v1", "IMAGENET1K_V1"), ("torchvision-v2", "IMAGENET1K_V2")):
        recipe, published = recipes.get(name), weights[version]
        assert torchvision_recipe(published.transforms()) == recipe.val_pixels
        top1 = published.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        assert recipe.expected_top1.startswith(f"{top1:.3f} ")
    recipe, module = recipes.get("timm-a3"), timm.create_model("resnet50.a3_in1k")
    assert timm_recipe(module) == recipe.val_pixels
    assert module.pretrained_cfg["input_size"] == (3, recipe.pixels.size, recipe.pixels.size)
    assert module.pretrained_cfg["interpolation"] == recipe.pixels.filter


def test_steps_divide_the_rate_by_ten():
    recipe = recipes.get("torchvision-v1")
    rates = [learning_rate(recipe, epoch) for epoch in (0, 29.99, 30, 59.99, 60, 89.99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    goyal = dataclasses.replace(recipe, milestones=(30, 60, 80), warmup_epochs=5)
    assert learning_rate(goyal, 85) == pytest.approx(1e-4)
    assert learning_rate(goyal, 2.5) == pytest.approx(0.1 * (0.01 + 0.99 / 2))


def test_cosine_falls_from_the_peak_to_nothing():
    recipe = recipes.get("torchvision-v2")
    rates = [learning_rate(recipe, epoch) for epoch in (0, 5, 302.5, 600)]
    assert rates == pytest.approx([0.005, 0.5, 0.25, 0])


def test_the_linear_curve_is_that_of_ffcv():
    recipe = recipes.get("ffcv-rn50-16")
    rates = [learning_rate(recipe, epoch) for epoch in (0, 1, 2, 9, 16)]
    assert rates == pytest.approx([1.7e-4, 1.7 * (1 + 1e-4) / 2, 1.7, 0.85, 0], abs=1e-12)
    assert [recipe.pixels.size_at(epoch) for epoch in (0, 11, 12, 13)] == [160, 160, 192, 192]


def test_another_batch_size_scales_the_rate_and_other_epochs_stretch_the_curves():
    recipe = recipes.get("torchvision-v1").with_batch_size(1024)
    assert (recipe.batch_size, recipe.learning_rate) == (1024, pytest.approx(0.4))
    short = recipes.get("ffcv-rn50-88").with_epochs(44)
    assert (short.epochs, short.warmup_epochs) == (44, 1)
    assert (short.pixels.size.start_epoch, short.pixels.size.end_epoch) == (32, 38)
    assert recipes.get("torchvision-v1").with_epochs(9).milestones == pytest.approx((3, 6))


def test_numbers_that_make_no_sense_are_refused():
    recipe = recipes.get("demo")
    with pytest.raises(ValueError, match="epochs is 0; at least 1 is needed"):
        dataclasses.replace(recipe, epochs=0)
    with pytest.raises(ValueError, match="learning_rate is 0; it has to be above 0"):
        dataclasses.replace(recipe, learning_rate=0)
    with pytest.raises(ValueError, match="ema_decay is 1; allowed are 0 to below 1"):
        dataclasses.replace(recipe, ema_decay=1)
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1; binary_cross_entropy has none"):
        dataclasses.replace(recipes.get("timm-a3"), label_smoothing=0.1)
