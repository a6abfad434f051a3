"""What a recipe does to decoded pixels on their device: colours, normalisation, erasing, mixing.

The order is that of torchvision's and timm's scripts: policy, colour jitter, normalise, erase, mix.
All of it is `augment`'s, drawn from (seed, epoch, key): see `rng.keys`.

Mixing looks at several images, so batches must not depend on how they are spread over ranks. Ranks
have neighbouring records, so each image is mixed with its neighbour, which is on the same rank if
batches are of even size. Where records come repeatedly, ranks take turns, neighbours are one
record's repeats, and each image is mixed with the one half a batch away. The one draw of `Mix.mode`
"batch" is that of all ranks together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from imnet_data import rng
from imnet_data.augment import (
    apply_policy,
    apply_view,
    draw_view,
    erase,
    jitter,
    mix,
    soft_targets,
)
from imnet_data.augment.mixing import neighbours
from imnet_data.augment.view_colors import joined
from imnet_data.loaders.device import constants, normalized
from imnet_data.transforms import MultiCropRecipe, TrainRecipe

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from imnet_data.loaders.schedule import Draws
    from imnet_data.transforms import EvalRecipe


class Augmenter:
    """Makes tensors of decoded pixels as one recipe says, on one device.

    Args:
        recipe: what is done.
        device: where the pixels are.
        dtype: of images; computed in float32, then rounded.
        channels_last: memory format of images.
        class_count: of soft targets.
        seed: any integer.
        repeats: see `Schedule`.
    """

    def __init__(
        self,
        recipe: TrainRecipe | EvalRecipe | MultiCropRecipe,
        *,
        device: torch.device,
        dtype: torch.dtype,
        channels_last: bool,
        class_count: int | None,
        seed: int,
        repeats: int,
    ) -> None:
        self._recipe, self._seed, self._repeats = recipe, seed, repeats
        self._dtype, self._channels_last = dtype, channels_last
        self._class_count = class_count
        self._constants = constants(recipe, device)

    def made(
        self, groups: list[Tensor], labels: Tensor, draws: Draws, *, epoch: int
    ) -> tuple[list[Tensor], Tensor]:
        """Return images [n, 3, size, size], one tensor per view, and labels or soft targets.

        Args:
            groups: uint8[views, n, size, size, 3], one tensor per size of views.
            labels: int64[n].
            draws: of the batch.
            epoch: 0 or more.
        """
        if isinstance(self._recipe, MultiCropRecipe):
            return self._views(groups, draws.keys, epoch), labels
        images = groups[0][0]
        if not isinstance(self._recipe, TrainRecipe) or not self._recipe.is_augmented:
            return [self._normalized(images)], labels
        return self._augmented(self._recipe, images, labels, draws=draws, epoch=epoch)

    def _normalized(self, images: Tensor) -> Tensor:
        return normalized(
            images, self._constants, dtype=self._dtype, channels_last=self._channels_last
        )

    def _augmented(
        self, recipe: TrainRecipe, images: Tensor, labels: Tensor, *, draws: Draws, epoch: int
    ) -> tuple[list[Tensor], Tensor]:
        keys, seed = draws.keys, self._seed
        pixels = images.permute(0, 3, 1, 2)
        if recipe.policy is not None and len(pixels):
            pixels = apply_policy(pixels, recipe.policy, seed=seed, epoch=epoch, indices=keys)
        if recipe.color_jitter is not None and len(pixels):
            pixels = jitter(
                pixels, recipe=recipe.color_jitter, seed=seed, epoch=epoch, indices=keys
            )
        values = normalized(
            pixels.permute(0, 2, 3, 1),
            self._constants,
            dtype=torch.float32,
            channels_last=self._channels_last,
        )
        if recipe.erasing is not None and len(values):
            values = erase(values, recipe=recipe.erasing, seed=seed, epoch=epoch, indices=keys)
        if recipe.mix is not None:
            assert self._class_count is not None
            labels = soft_targets(labels, self._class_count, smoothing=recipe.mix.smoothing)
            if len(values):
                values, labels = mix(
                    values,
                    labels,
                    recipe=recipe.mix,
                    seed=seed,
                    epoch=epoch,
                    indices=keys,
                    partners=partners(len(keys), self._repeats),
                    first=draws.first,
                )
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return [values.to(self._dtype, memory_format=layout)], labels

    def _views(self, groups: list[Tensor], keys: NDArray[np.int64], epoch: int) -> list[Tensor]:
        """Return all views; those of one size go through each step together."""
        recipe = self._recipe
        assert isinstance(recipe, MultiCropRecipe)
        made: list[Tensor] = []
        for group in groups:
            pixels = group.flatten(0, 1)
            if recipe.is_augmented and len(pixels):
                draws = [
                    draw_view(
                        recipe.colors(view),
                        rng.keys(keys, view=view),
                        seed=self._seed,
                        epoch=epoch,
                    )
                    for view in range(len(made), len(made) + len(group))
                ]
                colored = apply_view(pixels.permute(0, 3, 1, 2), joined(draws))
                pixels = colored.permute(0, 2, 3, 1)
            images = self._normalized(pixels)
            made += images.view(*group.shape[:2], *images.shape[1:]).unbind()
        return made


def partners(count: int, repeats: int) -> NDArray[np.int64]:
    """Return which image of a rank's batch each is mixed with, int64[count]."""
    if repeats == 1:
        return neighbours(count)
    return (np.arange(count) + count // 2) % count
