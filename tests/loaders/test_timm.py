"""timm's own `create_loader`, script arguments and recipes, against ours."""

import inspect

import numpy as np
import pytest

import imnet_data as imnet
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
    ("name", "value", "off"),
    [("color_jitter", 0.4, "None"), ("re_prob", 0.25, "0.0"), ("auto_augment", "rand", "None")],
)
def test_what_is_not_done_is_refused_by_name(root, create_loader, name, value, off):
    dataset = imnet.Dataset.open(root, "train")
    options = {"is_training": True, "device": "cpu", "color_jitter": None, name: value}
    with pytest.raises(ValueError, match=f"^{name} is {value!r}, .* pass {name}={off}, "):
        create_loader(dataset, 32, 4, **options)
    with pytest.raises(ValueError, match="interpolation is 'random'"):
        create_loader(dataset, 32, 4, interpolation="random", device="cpu")
    with pytest.raises(ValueError, match=r"^num_aug_splits is 2"):
        create_loader(dataset, 32, 4, num_aug_splits=2, device="cpu")
