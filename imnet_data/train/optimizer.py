"""SGD, and LAMB as timm's recipes use it; which parameters are decayed.

Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020,
algorithm 2; as in timm.optim.Lamb the gradients are first clipped to a norm of 1 over all
parameters, and parameters without weight decay move without a trust ratio.

Each step of the arithmetic is done to all tensors of a group at once (`torch._foreach_...`): on a
GPU that is a few launches instead of some for each tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.train.recipes import TrainingRecipe

_LAMB_BETAS = (0.9, 0.999)
_LAMB_EPSILON = 1e-6
_LAMB_MAX_NORM = 1.0


def build_optimizer(model: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer for the parameters of `model` that are trained."""
    groups = _groups(model, recipe)
    if recipe.optimizer == "lamb":
        return Lamb(groups, recipe.learning_rate)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum)


def _groups(model: nn.Module, recipe: TrainingRecipe) -> list[dict[str, Any]]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if recipe.decays_norm_and_bias:
        return [{"params": trained, "weight_decay": recipe.weight_decay}]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    rest = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [(decayed, recipe.weight_decay), (rest, 0.0)]
    return [{"params": members, "weight_decay": decay} for members, decay in groups if members]


class Lamb(torch.optim.Optimizer):
    """LAMB: Adam whose steps are scaled, tensor by tensor, with the size of the weights."""

    def __init__(self, groups: list[dict[str, Any]], learning_rate: float) -> None:
        super().__init__(groups, {"lr": learning_rate, "weight_decay": 0.0, "step": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move the parameters once."""
        assert closure is None
        groups = [_with_gradients(group) for group in self.param_groups]
        norms = torch._foreach_norm([gradient for _, found in groups for gradient in found])
        clip = (torch.stack(list(norms)).norm() / _LAMB_MAX_NORM).clamp(min=1.0)
        for group, (parameters, gradients) in zip(self.param_groups, groups, strict=True):
            group["step"] += 1
            if parameters:
                clipped = torch._foreach_div(gradients, clip)
                updates = self._adam(parameters, clipped, group["step"])
                _move(parameters, updates, group["lr"], group["weight_decay"])

    def _adam(
        self, parameters: list[Tensor], gradients: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, ...]:
        states = [self.state[parameter] for parameter in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
        means = [state["mean"] for state in states]
        squares = [state["square"] for state in states]
        beta_mean, beta_square = _LAMB_BETAS
        torch._foreach_lerp_(means, gradients, 1 - beta_mean)
        torch._foreach_mul_(squares, beta_square)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta_square)
        deviations = torch._foreach_sqrt(squares)
        torch._foreach_div_(deviations, (1 - beta_square**step) ** 0.5)
        torch._foreach_add_(deviations, _LAMB_EPSILON)
        updates = torch._foreach_div(means, 1 - beta_mean**step)
        torch._foreach_div_(updates, deviations)
        return updates


def _with_gradients(group: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the parameters of a group that have a gradient, and their gradients."""
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    return parameters, [parameter.grad for parameter in parameters]


def _move(
    parameters: list[Tensor], updates: tuple[Tensor, ...], rate: float, weight_decay: float
) -> None:
    if weight_decay:
        torch._foreach_add_(updates, torch._foreach_mul(parameters, weight_decay))
        sizes = torch.stack(list(torch._foreach_norm(parameters)))
        steps = torch.stack(list(torch._foreach_norm(updates)))
        trust = torch.where((sizes > 0) & (steps > 0), sizes / steps, 1.0)
        torch._foreach_mul_(updates, list(trust.unbind()))
    torch._foreach_mul_(updates, rate)
    torch._foreach_sub_(parameters, updates)
