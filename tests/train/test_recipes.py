"""Recipes and the learning rate they give."""

import dataclasses
import math

import numpy as np
import pytest

from imnet_data.evaluation.torch_models import timm_recipe, torchvision_recipe
from imnet_data.train import recipes
from imnet_data.train.schedule import learning_rate
from imnet_data.transforms import Progressive


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
    assert recipe.batch_size == 1024
    assert recipe.learning_rate == pytest.approx(0.4)
    assert recipes.get("torchvision-v1").with_epochs(9).milestones == pytest.approx((3, 6))


@pytest.mark.parametrize(("gpus", "per_gpu", "epochs"), [(8, 128, 600), (8, 128, 30), (4, 256, 10)])
def test_the_average_decays_as_in_torchvisions_script(gpus, per_gpu, epochs):
    # references/classification/train.py; 32 and 0.99998 are defaults of --model-ema-steps, -decay
    adjust = gpus * per_gpu * 32 / epochs
    alpha = min(1.0, (1.0 - 0.99998) * adjust)
    recipe = recipes.get("torchvision-v2").with_epochs(epochs).with_batch_size(gpus * per_gpu)
    assert recipe.ema_every == 32
    assert recipe.ema_decay == pytest.approx(1.0 - alpha, abs=1e-12)


def test_the_average_never_moves_by_more_than_all():
    recipe = recipes.get("torchvision-v2").with_batch_size(8192).with_epochs(1)
    assert recipe.ema_decay == 0


@pytest.mark.parametrize("epochs", [30, 600, 1200])
def test_the_warm_up_of_torchvision_is_five_epochs_of_any_number(epochs):
    # train.py: LinearLR(start_factor=0.01, total_iters=5), then CosineAnnealingLR(epochs - 5)
    recipe = recipes.get("torchvision-v2").with_epochs(epochs)
    for epoch in (0, 2, 4, 5, epochs // 2, epochs - 1):
        if epoch < 5:
            expected = 0.5 * (0.01 + (1 - 0.01) * epoch / 5)
        else:
            expected = 0.5 * (1 + math.cos(math.pi * (epoch - 5) / (epochs - 5))) / 2
        assert learning_rate(recipe, epoch) == pytest.approx(expected)


@pytest.mark.parametrize(("batch_size", "epochs"), [(2048, 100), (512, 100), (4096, 300)])
def test_the_rate_of_lamb_grows_with_the_root_of_the_batch_as_in_timms_script(batch_size, epochs):
    # timm's train.py: lr = lr_base * (batch size / lr_base_size) ** 0.5 for "lamb"; A3 has 8e-3 at
    # 2048 and warms up for 5 epochs, from 1e-4 of the peak in mmpretrain (LinearLR, start_factor)
    peak = 8e-3 * (batch_size / 2048) ** 0.5
    recipe = recipes.get("timm-a3").with_batch_size(batch_size).with_epochs(epochs)
    assert learning_rate(recipe, 0) == pytest.approx(1e-4 * peak)
    assert learning_rate(recipe, 5) == pytest.approx(peak)
    assert learning_rate(recipe, 5 + (epochs - 5) / 2) == pytest.approx(peak / 2)


# resolution.start_ramp and end_ramp of libffcv/ffcv-imagenet, rn50_configs/rn50_*_epochs.yaml
_FFCV_RAMPS = {16: (11, 13), 24: (17, 20), 32: (23, 27), 40: (29, 34), 56: (41, 48), 88: (65, 76)}


@pytest.mark.parametrize("name", ["ffcv-rn50-16", "ffcv-rn50-88"])
@pytest.mark.parametrize("epochs", _FFCV_RAMPS)
def test_ffcv_recipes_of_all_its_numbers_of_epochs_are_its_configurations(name, epochs):
    recipe = recipes.get(name).with_epochs(epochs)
    size = recipe.pixels.size
    assert isinstance(size, Progressive)
    assert (size.start_epoch, size.end_epoch) == _FFCV_RAMPS[epochs]
    # get_cyclic_lr: interpolated between 0, lr_peak_epoch (2 in all of them), and the last one
    for epoch in (0, 1, 2, 5.5, epochs):
        expected = np.interp(epoch, [0, 2, epochs], [1e-4 * 1.7, 1.7, 0])
        assert learning_rate(recipe, epoch) == pytest.approx(expected)


def test_a_warm_up_is_no_longer_than_half_of_the_run():
    assert recipes.get("torchvision-v2").with_epochs(6).warmup_epochs == 3


def test_numbers_that_make_no_sense_are_refused():
    recipe = recipes.get("demo")
    with pytest.raises(ValueError, match="epochs is 0; allowed are integers from 1"):
        dataclasses.replace(recipe, epochs=0)
    with pytest.raises(ValueError, match="learning_rate is 0; allowed are numbers above 0"):
        dataclasses.replace(recipe, learning_rate=0)
    with pytest.raises(ValueError, match="ema_decay is 1; allowed are 0 to below 1"):
        dataclasses.replace(recipe, ema_decay=1)
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1; binary_cross_entropy has none"):
        dataclasses.replace(recipes.get("timm-a3"), label_smoothing=0.1)
