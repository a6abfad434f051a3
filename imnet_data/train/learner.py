"""The weights, and how a step moves them: model, optimizer, average, precision, ranks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from imnet_data import rng
from imnet_data.train import batches, transfer
from imnet_data.train.ema import Ema
from imnet_data.train.models import ModelOptions, build_model
from imnet_data.train.optimizer import build_optimizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.loaders.torch import TensorBatch
    from imnet_data.train.checkpoint import Position
    from imnet_data.train.distributed import Ranks
    from imnet_data.train.execution import Execution
    from imnet_data.train.recipes import TrainingRecipe
    from imnet_data.train.transfer import Transfer

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Learner:
    """A model that is trained; `best` is the one to be validated and kept."""

    def __init__(
        self,
        class_count: int,
        recipe: TrainingRecipe,
        *,
        seed: int,
        execution: Execution,
        start: Transfer | None,
        ranks: Ranks,
    ) -> None:
        self._recipe, self._seed, self._execution, self._ranks = recipe, seed, execution, ranks
        self._class_count = class_count
        self._freezes = start is not None and start.freezes_backbone
        torch.manual_seed(_seed_of(seed, epoch=0, number=0))
        self.model = self._build(start)
        self._optimizer = build_optimizer(self.model, recipe)
        self._scaler = torch.amp.GradScaler(execution.device, enabled=execution.precision == "fp16")
        self._ema = None if recipe.ema_decay is None else Ema(self.model, decay=recipe.ema_decay)
        # as training calls it, around the same weights; what compiles it has to see where
        # gradients are summed
        self._parallel = DistributedDataParallel(self.model) if ranks.world_size > 1 else self.model
        self._trained = self._parallel
        if execution.compiles:
            self._trained = torch.compile(self._parallel)  # type: ignore[assignment]
        self._is_settled = False

    def _build(self, start: Transfer | None) -> nn.Module:
        recipe = self._recipe
        options = ModelOptions(recipe.stochastic_depth, recipe.blur, recipe.zero_init)
        model = build_model(recipe.model, self._class_count, options)
        if start is not None:
            transfer.start_from(model, start)
        model.to(self._ranks.device)
        if self._execution.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    @property
    def best(self) -> nn.Module:
        """The average of the weights where the recipe has one, else the weights."""
        return self.model if self._ema is None else self._ema.model

    def step(self, at: Position, parts: Iterator[TensorBatch], *, rate: float) -> Tensor:
        """Move the weights once by the next batches; return their mean loss on this rank."""
        self._is_settled = False
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        # a frozen backbone keeps the statistics of BatchNorm, too
        self._trained.train(not self._freezes)
        self._optimizer.zero_grad()
        loss = torch.zeros((), dtype=torch.float64, device=self._ranks.device)
        for part in range(self._execution.accumulate):
            number = at.step * self._execution.accumulate + part
            with self._synchronized(part + 1 == self._execution.accumulate):
                loss += self._backward(next(parts), epoch=at.epoch, number=number)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if self._ema is not None and at.step % self._recipe.ema_every == 0:
            self._ema.update(self.model, restart=at.epoch < self._recipe.warmup_epochs)
        return loss

    def _backward(self, batch: TensorBatch, *, epoch: int, number: int) -> Tensor:
        # what a model draws itself follows from the position, so that nothing has to be stored
        number = number * self._ranks.world_size + self._ranks.rank
        torch.manual_seed(_seed_of(self._seed, epoch=epoch, number=number))
        with self._autocast():
            logits = self._trained(self._laid_out(batch.images))
        loss = batches.loss_of(logits, batch.labels, self._recipe) / self._execution.accumulate
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """Return what the best model says of images for validation, float32[n, classes]."""
        images = self._laid_out(images)
        with self._autocast():
            logits: Tensor = self.best(images).float()
            if self._recipe.val_flip:
                logits = logits + self.best(images.flip(3)).float()
        return logits

    def _laid_out(self, images: Tensor) -> Tensor:
        is_last = self._execution.channels_last
        layout = torch.channels_last if is_last else torch.contiguous_format
        return images.contiguous(memory_format=layout)

    def _synchronized(self, synchronizes: bool) -> contextlib.AbstractContextManager[None]:
        """Sum gradients over ranks in the last part of a step alone."""
        if synchronizes or not isinstance(self._parallel, DistributedDataParallel):
            return contextlib.nullcontext()
        return self._parallel.no_sync()

    def _autocast(self) -> torch.autocast:
        dtype = _AUTOCAST.get(self._execution.precision)
        return torch.autocast(self._execution.device, dtype, enabled=dtype is not None)

    def settle(self) -> None:
        """Return all ranks the numbers of rank 0, and make the best model ready to be validated.

        Ranks differ in the statistics of BatchNorm alone, which are of their own images.
        """
        if not self._is_settled:
            self._ranks.make_equal(dict.fromkeys((self.model, self.best)))
            self._is_settled = True
        self.best.eval()

    def state(self) -> dict[str, Any]:
        """Return all that `load_state` needs to go on."""
        return {
            "model": self.model.state_dict(),
            "ema": None if self._ema is None else self._ema.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.model.load_state_dict(state["model"])
        if self._ema is not None:
            self._ema.model.load_state_dict(state["ema"])
        self._optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # none of a run that was not of fp16 until now
            self._scaler.load_state_dict(state["scaler"])


def _seed_of(seed: int, *, epoch: int, number: int) -> int:
    """Return the seed of torch's generator for the batch `number` of an epoch, of all ranks."""
    hashed = rng.hash64(seed, rng.Stream.MODEL, epoch, np.array([number]))
    return int(hashed[0] >> np.uint64(1))
