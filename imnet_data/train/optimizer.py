"""SGD, and LAMB as timm's recipes use it; which parameters are decayed.

Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020,
algorithm 2; as in timm.optim.Lamb the gradients are first clipped to a norm of 1 over all
parameters, and parameters without weight decay move without a trust ratio.
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
        gradients = [
            parameter.grad
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        norm = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]).norm()
        clip = (norm / _LAMB_MAX_NORM).clamp(min=1.0)
        for group in self.param_groups:
            group["step"] += 1
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._adam(parameter, parameter.grad / clip, group["step"])
                    _move(parameter, update, group["lr"], group["weight_decay"])

    def _adam(self, parameter: Tensor, gradient: Tensor, step: int) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        beta_mean, beta_square = _LAMB_BETAS
        state["mean"].lerp_(gradient, 1 - beta_mean)
        state["square"].mul_(beta_square).addcmul_(gradient, gradient, value=1 - beta_square)
        deviation = state["square"].sqrt() / (1 - beta_square**step) ** 0.5 + _LAMB_EPSILON
        update: Tensor = state["mean"] / (1 - beta_mean**step) / deviation
        return update


def _move(parameter: Tensor, update: Tensor, rate: float, weight_decay: float) -> None:
    if weight_decay:
        update = update + weight_decay * parameter
        size, step = parameter.norm(), update.norm()
        update = update * torch.where((size > 0) & (step > 0), size / step, 1.0)
    parameter.sub_(update * rate)
