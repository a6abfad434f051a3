"""A moving average of a model's weights, which is often a better model.

Source: Tarvainen, Valpola, "Mean teachers are better role models", 2017; torchvision's
references/classification averages the buffers (BatchNorm's statistics) as well, and so does this.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class Ema:
    """The average; `model` is a model like the one it follows, in evaluation mode."""

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, *, restart: bool = False) -> None:
        """Move towards the weights of `model`, or with `restart` take them as they are."""
        weight = 1.0 if restart else 1 - self.decay
        current = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.is_floating_point() and not restart:
                average.lerp_(current[name], weight)
            else:
                average.copy_(current[name])
