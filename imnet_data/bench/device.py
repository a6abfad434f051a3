"""Stages that need torch: the copy to a GPU, a model step, and the whole training step."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from imnet_data.bench import names
from imnet_data.bench.measurement import Done
from imnet_data.bench.sample import some
from imnet_data.bench.stages import require_normalized
from imnet_data.errors import EvaluationError
from imnet_data.loaders.device import constants, normalized, pinned
from imnet_data.loaders.torch import TensorBatch
from imnet_data.train import recipes
from imnet_data.train.checkpoint import Position
from imnet_data.train.distributed import Ranks
from imnet_data.train.execution import Execution, settings
from imnet_data.train.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from imnet_data.bench.loading import Loading
    from imnet_data.bench.options import BenchOptions
    from imnet_data.bench.sample import Work

_RECIPE = "torchvision-v1"  # plain SGD; its pixels are those of the other stages
_RATE = 1e-4  # of learning: small, so that a long measurement of noise stays finite


def device_name() -> Literal["cpu", "cuda"]:
    """Return where models run."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class Copying:
    """Stage: uint8 from pinned memory to the GPU, and to numbers there."""

    name, takes, threads = names.COPY, "pixels", 1
    is_cold: bool | None = None

    def __init__(self, work: Work) -> None:
        self._recipe, size = work.recipe, work.recipe.size_at(0)
        shape = work.schedule.batch_size, size, size, 3
        self._images = pinned(int(np.prod(shape))).reshape(shape)
        self._images.reshape(-1)[:] = np.arange(self._images.size, dtype=np.uint64) * 7919 % 256
        self._last: Tensor = torch.empty(0)

    def prepare(self) -> None:
        """Nothing is to be done."""

    def batches(self) -> Generator[Done, None, None]:
        """Copy the same batch again and again, and wait for each."""
        device = torch.device("cuda")
        numbers = constants(self._recipe, device)
        while True:
            images = torch.from_numpy(self._images).to(device, non_blocking=True)
            self._last = normalized(images, numbers, dtype=torch.float32, channels_last=False)
            torch.cuda.synchronize(device)
            yield Done(len(self._images), self._images.nbytes)

    def check(self) -> int:
        """Compare some images with the arithmetic written out."""
        for position in some(len(self._images)):
            values = self._last[position].cpu().numpy()
            require_normalized(values, self._images[position], self._recipe)
        return len(some(len(self._images)))


class Model:
    """A model that can be stepped, and knows whether it was."""

    def __init__(self, options: BenchOptions, *, class_count: int) -> None:
        assert options.model is not None
        self.device = torch.device(device_name())
        recipe = recipes.get(_RECIPE).with_batch_size(options.batch_size)
        # as a model is trained that is to be fast: with another memory format it would be slower
        # than users have it, and loaders would seem to keep up with it
        self._execution = Execution(
            device=device_name(), precision=options.precision, channels_last=True
        )
        self._learner = Learner(
            class_count,
            dataclasses.replace(recipe, model=options.model),
            seed=0,
            execution=self._execution,
            start=None,
            ranks=Ranks(0, 1, self.device),
        )
        self._weight = next(iter(self._learner.model.parameters()))
        self._before = self._weight.detach().clone()
        self._steps = 0
        self.loss = torch.zeros(())

    def step(self, batch: TensorBatch) -> None:
        """Move the weights once, and wait for it."""
        with settings(self._execution):
            self.loss = self._learner.step(Position(0, self._steps), iter([batch]), rate=_RATE)
        self._steps += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def require_learning(self, name: str) -> None:
        """Raise if the loss is no number, or the weights did not move since the last check."""
        if not torch.isfinite(self.loss):
            raise EvaluationError(f"{name}: the loss is {self.loss.item()}; try --precision fp32")
        if torch.equal(self._weight, self._before):
            raise EvaluationError(f"{name}: the weights did not change, so its time means nothing")
        self._before = self._weight.detach().clone()


class ModelStep:
    """Stage: forward, backward and SGD on one batch of noise that is on the device already."""

    name, takes = names.MODEL, "numbers"
    is_cold: bool | None = None

    def __init__(self, model: Model, work: Work, *, class_count: int) -> None:
        self.threads = torch.get_num_threads()
        self._model, size = model, work.recipe.size_at(0)
        generator = torch.Generator().manual_seed(0)
        count = work.schedule.batch_size
        parts = (
            torch.randn(count, 3, size, size, generator=generator).contiguous(
                memory_format=torch.channels_last
            ),
            torch.arange(count) % class_count,
            torch.arange(count),
        )
        self._batch = TensorBatch(*(part.to(model.device) for part in parts))

    def prepare(self) -> None:
        """Nothing is to be done."""

    def batches(self) -> Generator[Done, None, None]:
        """Step on the same batch again and again."""
        images = self._batch.images
        while True:
            self._model.step(self._batch)
            yield Done(len(images), images.numel() * images.element_size())

    def check(self) -> int:
        """Look whether the weights moved, and the loss is a number."""
        self._model.require_learning(self.name)
        return len(self._batch.images)


class TrainingStep:
    """Stage: a step on each batch that the loader makes meanwhile."""

    takes = "stored bytes"
    is_cold: bool | None = False
    name = names.TRAINING

    def __init__(self, model: Model, loading: Loading) -> None:
        self._model, self._loading = model, loading
        self.threads = loading.threads

    def prepare(self) -> None:
        """Run the loader once."""
        self._loading.prepare()

    def batches(self) -> Generator[Done, None, None]:
        """Step on batch after batch."""
        with contextlib.closing(self._loading.batches()) as batches:
            for done in batches:
                self._model.step(self._loading.last_batch)
                yield done

    def check(self) -> int:
        """Look at the weights, and at what the loader gave."""
        self._model.require_learning(self.name)
        return self._loading.check()
