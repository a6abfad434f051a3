"""The learning rate, a pure function of the recipe and how far the training is: it has no state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imnet_data.train.recipes import TrainingRecipe


def learning_rate(recipe: TrainingRecipe, epoch: float) -> float:
    """Return the learning rate at `epoch`, which counts from 0 and has a fraction."""
    peak, warmup = recipe.learning_rate, recipe.warmup_epochs
    if epoch < warmup:
        share = recipe.warmup_start + (1 - recipe.warmup_start) * epoch / warmup
        return peak * share
    if recipe.schedule == "step":
        return float(peak * 0.1 ** sum(epoch >= at for at in recipe.milestones))
    rest = (epoch - warmup) / (recipe.epochs - warmup)
    if recipe.schedule == "cosine":
        return peak * (1 + math.cos(math.pi * rest)) / 2
    return peak * (1 - rest)
