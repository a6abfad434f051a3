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
        averages, values = self.model.state_dict(), model.state_dict()
        moved = [
            name for name, value in averages.items() if value.is_floating_point() and not restart
        ]
        copied = [name for name in averages if name not in set(moved)]
        # many tensors in one launch: a GPU would wait for the host to launch one for each
        if moved:
            torch._foreach_lerp_(
                [averages[name] for name in moved],
                [values[name] for name in moved],
                1 - self.decay,
            )
        if copied:
            torch._foreach_copy_(
                [averages[name] for name in copied], [values[name] for name in copied]
            )
