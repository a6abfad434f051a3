"""How weights are moved: groups, LAMB against timm's, losses, the average, exact pixels."""

import dataclasses
from importlib import import_module

import pytest
import torch
from torch import nn

from imnet_data.loaders.torch import TensorBatch
from imnet_data.train import batches, recipes
from imnet_data.train.checkpoint import Position
from imnet_data.train.distributed import Ranks
from imnet_data.train.ema import Ema
from imnet_data.train.execution import Execution
from imnet_data.train.learner import Learner
from imnet_data.train.models import build_model
from imnet_data.train.optimizer import build_optimizer

A3 = recipes.get("timm-a3")


def small_model():
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 4, 3, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))


def trained(model, optimizer):
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for number in range(5):
        optimizer.zero_grad()
        model(images).pow(2).sum().mul(10.0**-number).backward()
        optimizer.step()
    return model.state_dict()


@pytest.mark.usefixtures("timm")
def test_lamb_moves_as_that_of_timm():
    theirs = small_model()
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in theirs.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    expected = trained(theirs, import_module("timm.optim").Lamb(groups, lr=8e-3))
    ours = small_model()
    for name, value in trained(ours, build_optimizer(ours, A3)).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-7)


def lamb_of_one_tensor(value, gradient, state, *, step, weight_decay):
    """Move one tensor as `Lamb` describes it, operation by operation."""
    mean, square = state
    mean.lerp_(gradient, 1 - 0.9)
    square.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
    deviation = square.sqrt() / (1 - 0.999**step) ** 0.5 + 1e-6
    update = mean / (1 - 0.9**step) / deviation
    if weight_decay:
        update = update + weight_decay * value
        update = update * (value.norm() / update.norm())
    value.sub_(update * A3.learning_rate)


def test_all_tensors_at_once_move_as_each_by_itself_to_the_last_bit():
    model = build_model("resnet10", 10)
    optimizer = build_optimizer(model, A3)
    ours = [value for group in optimizer.param_groups for value in group["params"]]
    expected = [value.detach().clone() for value in ours]
    states = [(torch.zeros_like(value), torch.zeros_like(value)) for value in expected]
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for step in (1, 2, 3):
        optimizer.zero_grad()
        model(images).pow(2).sum().backward()
        gradients = [value.grad for value in ours]
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        for value, gradient, state in zip(expected, gradients, states, strict=True):
            decay = A3.weight_decay if value.ndim > 1 else 0.0
            clipped = gradient / norm.clamp(min=1.0)
            lamb_of_one_tensor(value, clipped, state, step=step, weight_decay=decay)
        optimizer.step()
        for value, other in zip(ours, expected, strict=True):
            assert torch.equal(value, other)


def test_norms_and_biases_are_not_decayed_where_the_recipe_says_so():
    model = build_model("resnet18", 10)
    groups = build_optimizer(model, A3).param_groups
    assert [group["weight_decay"] for group in groups] == [0.02, 0.0]
    flat = [value for value in model.parameters() if value.ndim == 1]
    assert len(groups[1]["params"]) == len(flat) > 1
    assert all(value.ndim == 1 for value in groups[1]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    everything = build_optimizer(model, recipes.get("torchvision-v1")).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in everything] == [(62, 1e-4)]


@pytest.mark.usefixtures("timm")
def test_binary_cross_entropy_is_that_of_timm():
    theirs = import_module("timm.loss").BinaryCrossEntropy(smoothing=0.0, target_threshold=0.2)
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 6, 3, 3])
    soft = torch.full((4, 7), 0.0).index_put((torch.arange(4), labels), torch.tensor(0.7))
    soft[:, 1] += torch.tensor([0.3, 0.1, 0.25, 0.3])
    for targets in (labels, soft):
        torch.testing.assert_close(batches.loss_of(logits, targets, A3), theirs(logits, targets))


def test_smoothing_is_that_of_soft_targets():
    recipe = dataclasses.replace(recipes.get("demo"), label_smoothing=0.1)
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 4, 2, 2])
    soft = nn.functional.one_hot(labels, 5) * 0.9 + 0.1 / 5
    expected = -(soft * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(batches.loss_of(logits, labels, recipe), expected)


def test_the_average_follows_weights_and_statistics():
    model = small_model()
    ema = Ema(model, decay=0.9)
    before = {name: value.clone() for name, value in ema.model.state_dict().items()}
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)
    ema.update(model)
    for name, value in ema.model.state_dict().items():
        step = 0.1 if value.is_floating_point() else 1
        torch.testing.assert_close(value, before[name] + step)
    ema.update(model, restart=True)
    for name, value in ema.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


@pytest.mark.parametrize("name", recipes.RECIPES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_host_looks_at_no_value_in_a_step(name, precision):
    """On a GPU it would wait for that; a tensor of the meta device has none to be looked at."""
    meta = torch.device("meta")
    recipe = dataclasses.replace(recipes.get(name), model="resnet10")
    learner = Learner(
        10,
        recipe,
        seed=0,
        execution=Execution(precision=precision, channels_last=True),
        start=None,
        ranks=Ranks(0, 1, meta),
    )
    soft = recipe.pixels.mix is not None
    labels = torch.zeros(4, 10) if soft else torch.zeros(4, dtype=torch.int64)
    parts = (torch.empty(4, 3, 64, 64), labels, torch.zeros(4, dtype=torch.int64))
    batch = TensorBatch(*(part.to(meta) for part in parts))
    for step in range(2):
        loss = learner.step(Position(0, step), iter([batch]), rate=0.1)
        assert loss.is_meta
