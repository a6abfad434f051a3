"""timm's own `create_loader`, script arguments and recipes, against ours."""

import inspect
import math

import numpy as np
import pytest

import imnet_data as imnet
from imnet_data.augment.recipes import ColorJitter, Erasing, TimmRandAugment
from imnet_data.synth import synth

torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("timm")
    synth(
        folder / "in",
        class_count=3,
        images_per_class=4,
        val_per_class=3,
        test_count=1,
        mean_nbytes=3000,
    )
    imnet.convert([folder / "in"], folder / "out", workers=1)
    return folder / "out"


@pytest.fixture
def create_loader(timm):
    del timm
    from imnet_data.loaders.timm import create_loader

    return create_loader


def test_it_has_timms_signature(timm, create_loader):
    assert inspect.signature(create_loader) == inspect.signature(timm.data.create_loader)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_validation_is_timms_to_the_last_bit(root, timm, create_loader, interpolation):
    from imnet_data.loaders.torch import ImageNet

    options = {
        "input_size": (3, 32, 32),
        "batch_size": 4,
        "crop_pct": 0.9,
        "interpolation": interpolation,
        "mean": (0.4, 0.5, 0.6),
        "std": (0.3, 0.2, 0.1),
        "device": torch.device("cpu"),
        "use_prefetcher": False,
        "num_workers": 0,
        "persistent_workers": False,
    }
    theirs = timm.data.create_loader(ImageNet(root, "val"), **options)
    with create_loader(ImageNet(root, "val"), **options) as ours:
        batches = list(zip(ours, theirs, strict=True))
    assert len(batches) == 3
    for (images, labels), (expected, expected_labels) in batches:
        assert torch.equal(images, expected)
        assert torch.equal(labels, expected_labels)


def test_training_is_our_train_recipe(root, create_loader):
    recipe = imnet.TrainRecipe(size=32, scale=(0.5, 1.0), flip=0.0, filter="bicubic")
    with imnet.open_loader(root, recipe, batch_size=4) as loader:
        expected = [batch.indices for batch in loader.epoch(0)]
    with create_loader(
        imnet.Dataset.open(root, "train"),
        32,
        4,
        is_training=True,
        scale=(0.5, 1.0),
        hflip=0.0,
        interpolation="bicubic",
        color_jitter=None,
        device="cpu",
        img_dtype=torch.bfloat16,
    ) as made:
        assert made.loader.recipe == recipe
        batches = list(made.epoch(0))
    np.testing.assert_array_equal([batch.indices for batch in batches], expected)
    assert batches[0].images.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, {"color_jitter": ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4)}),
        ({"color_jitter": None}, {}),
        ({"color_jitter": 0.0}, {}),
        (
            {"color_jitter": (0.1, 0.2, 0.3, 0.05)},
            {"color_jitter": ColorJitter(brightness=0.1, contrast=0.2, saturation=0.3, hue=0.05)},
        ),
        (
            {"auto_augment": "rand-m9-mstd0.5-inc1", "mean": (0.5, 0.1, 1.0)},
            {
                "policy": TimmRandAugment(magnitude=9, magnitude_std=0.5, fill=(128, 26, 255)),
                "mean": (0.5, 0.1, 1.0),
            },
        ),
        (
            {"auto_augment": "rand-n3-p.25-inc1"},
            {"policy": TimmRandAugment(magnitude=10, operation_count=3, probability=0.25)},
        ),
        (
            {"color_jitter": None, "re_prob": 0.25},
            {"erasing": Erasing(probability=0.25, scale=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3))},
        ),
    ],
)
def test_augmentation_is_the_recipe_that_draws_as_timm(root, create_loader, options, changed):
    dataset = imnet.Dataset.open(root, "train")
    expected = imnet.TrainRecipe(**{"size": 32, **changed})
    with create_loader(dataset, 32, 4, is_training=True, device="cpu", **options) as made:
        assert made.loader.recipe == expected
        assert next(iter(made))[0].shape == (4, 3, 32, 32)


def test_erasing_and_jitter_have_timms_numbers(root, timm, create_loader):
    from imnet_data.loaders.torch import ImageNet

    options = {"is_training": True, "device": torch.device("cpu"), "num_workers": 0}
    options |= {
        "color_jitter": 0.3,
        "re_prob": 0.2,
        "re_mode": "pixel",
        "persistent_workers": False,
    }
    theirs = timm.data.create_loader(ImageNet(root, "train"), 32, 4, **options)
    with create_loader(ImageNet(root, "train"), 32, 4, **options) as made:
        recipe = made.loader.recipe
    erasing = theirs.random_erasing
    assert (erasing.probability, erasing.per_pixel) == (recipe.erasing.probability, True)
    assert (erasing.min_area, erasing.max_area) == recipe.erasing.scale
    assert erasing.log_aspect_ratio == tuple(map(math.log, recipe.erasing.ratio))
    jitter = theirs.loader.dataset.transform.transforms[2]
    assert jitter.brightness == jitter.contrast == jitter.saturation == (0.7, 1.3)
    assert recipe.color_jitter == ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auto_augment": "original"}, r"^auto_augment is 'original'; .*rand-m9-mstd0.5-inc1"),
        ({"auto_augment": "rand-m9"}, r"^auto_augment is 'rand-m9'; .* always with inc1"),
        ({"auto_augment": "rand-m9-mstd101-inc1"}, r"^auto_augment is"),
        ({"auto_augment": "rand-m9-inc1-tweights"}, r"^auto_augment is"),
        (
            {"auto_augment": "rand-m9-inc1", "interpolation": "bicubic"},
            "^interpolation is 'bicubic'",
        ),
        ({"re_prob": 0.1, "re_mode": "rand"}, "^re_mode is 'rand'; what is done here is const"),
        ({"re_prob": 0.1, "re_count": 3}, "^re_count is 3, .* pass re_count=1, "),
        ({"color_jitter_prob": 0.5}, "^color_jitter_prob is 0.5, .* pass color_jitter_prob=None"),
    ],
)
def test_what_is_not_done_is_refused_by_name(root, create_loader, options, message):
    dataset = imnet.Dataset.open(root, "train")
    with pytest.raises(ValueError, match=message):
        create_loader(dataset, 32, 4, is_training=True, device="cpu", **options)
    with pytest.raises(ValueError, match="interpolation is 'random'"):
        create_loader(dataset, 32, 4, interpolation="random", device="cpu")
    with pytest.raises(ValueError, match=r"^num_aug_splits is 2"):
        create_loader(dataset, 32, 4, num_aug_splits=2, device="cpu")
