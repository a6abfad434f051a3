"""Models, held against torchvision's."""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from imnet_data.errors import MissingExtra
from imnet_data.evaluation import load_model
from imnet_data.train.models import ModelOptions, build_model, head_name, parameter_count


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_ours_has_the_names_shapes_and_outputs_of_torchvision(name, torchvision):
    ours = build_model(name, 1000)
    theirs = torchvision.models.get_model(name, weights=None)
    assert {key: value.shape for key, value in ours.state_dict().items()} == {
        key: value.shape for key, value in theirs.state_dict().items()
    }
    assert [key for key, _ in ours.named_parameters()] == [
        key for key, _ in theirs.named_parameters()
    ]
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for is_training in (True, False):
        ours.train(is_training)
        theirs.train(is_training)
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_parameter_counts_are_the_published_ones():
    assert parameter_count(build_model("resnet18", 1000)) == 11_689_512
    assert parameter_count(build_model("resnet50", 1000)) == 25_557_032


def test_blur_is_a_filter_before_each_stride_and_changes_no_name():
    options = ModelOptions(blur=True)
    blurred: Any = build_model("resnet50", 10, options)
    plain = build_model("resnet50", 10)
    assert blurred.state_dict().keys() == plain.state_dict().keys()
    convolution = blurred.layer2[0].conv2
    images = torch.randn(2, convolution.in_channels, 8, 8)
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    kernel = kernel.repeat(convolution.in_channels, 1, 1, 1)
    smooth = nn.functional.conv2d(images, kernel, padding=1, groups=convolution.in_channels)
    expected = nn.Conv2d.forward(convolution, smooth)
    torch.testing.assert_close(convolution(images), expected)
    strided = [
        type(module).__name__
        for module in blurred.modules()
        if isinstance(module, nn.Conv2d) and module.stride[0] > 1 and module.in_channels >= 16
    ]
    assert strided == ["_BlurredConv"] * 6  # 3x3 and shortcut of three stages
    assert all(buffer.is_meta for buffer in blurred.to("meta").buffers())  # the kernels, too


def test_stochastic_depth_leaves_blocks_out_in_training_alone():
    model: Any = build_model("resnet18", 10, ModelOptions(stochastic_depth=1 - 1e-6))
    last = model.layer4[1]
    images = torch.rand(4, 512, 2, 2)
    assert last.drop_probability > 0.9999
    assert torch.equal(last.train()(images), images)
    assert not torch.equal(last.eval()(images), images)
    assert [block.drop_probability for block in (model.layer1[0], model.layer2[1])] == (
        pytest.approx([1 / 8, 4 / 8], rel=1e-5)
    )


def test_zero_init_makes_blocks_the_identity():
    model: Any = build_model("resnet50", 10, ModelOptions(zero_init=True))
    block = model.layer1[1].eval()
    images = torch.rand(2, 256, 4, 4)
    assert torch.equal(block(images), images)


def test_with_group_norm_an_image_does_not_depend_on_its_batch():
    model = build_model("resnet10_gn", 10).train()
    images = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(model(images)[:1], model(images[:1]))


def test_models_of_timm_and_torchvision_come_by_name(timm):
    assert timm.is_model("resnet18")
    ours = build_model("resnet18", 7)
    for name in ("timm:resnet18", "torchvision:resnet18"):
        model = build_model(name, 7)
        assert parameter_count(model) == parameter_count(ours)
        assert head_name(model) == "fc"
    dropped: Any = build_model("timm:resnet18", 7, ModelOptions(stochastic_depth=0.2))
    assert dropped.layer4[1].drop_path.drop_prob == pytest.approx(0.2)


def test_what_a_model_does_not_have_is_refused(timm):
    with pytest.raises(ValueError, match="unknown model 'resnet19'; known: resnet10, resnet18"):
        build_model("resnet19", 10)
    with pytest.raises(ValueError, match="timm has no model 'nothing'"):
        build_model("timm:nothing", 10)
    with pytest.raises(ValueError, match="torchvision has no model 'nothing'"):
        build_model("torchvision:nothing", 10)
    with pytest.raises(ValueError, match="timm:resnet18 cannot blur"):
        build_model("timm:resnet18", 10, ModelOptions(blur=True))
    with pytest.raises(
        ValueError, match=r"torchvision:resnet18 does not have one of stochastic_depth_prob"
    ):
        build_model("torchvision:resnet18", 10, ModelOptions(stochastic_depth=0.1))


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_library_that_does_not_load_is_named_with_the_cause(library, tmp_path, monkeypatch):
    (tmp_path / f"{library}.py").write_text("raise RuntimeError('operator nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, library, raising=False)
    message = rf"{library}:resnet18 needs {library}, which does not load beside .*nms.*pip install"
    with pytest.raises(MissingExtra, match=message):
        build_model(f"{library}:resnet18", 10)
    with pytest.raises(MissingExtra, match=message):
        load_model(f"{library}:resnet18")
