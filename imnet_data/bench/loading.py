"""The loader as a trainer opens it: batch after batch, epoch after epoch, from epoch 0 on."""

from __future__ import annotations

import contextlib
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from imnet_data.bench import names
from imnet_data.bench.measurement import Done, repeat
from imnet_data.bench.sample import SEED, boxes_of, picture, resized, some
from imnet_data.bench.stages import require_normalized
from imnet_data.errors import EvaluationError, verify_command
from imnet_data.loaders.opening import open_loader

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from imnet_data.bench.sample import Work
    from imnet_data.dataset.opened import Dataset
    from imnet_data.transforms import EvalRecipe, TrainRecipe

Kind = Literal["cpu", "dali", "torch"]

# grey levels of 255, mean over an image: 0.2 on the CPU, where only the resize differs, and room
# for nvJPEG, which decodes otherwise; a wrong box or flip is 20 and more
_DALI_TOLERANCE = 4.0


class Loading:
    """Stage: batches made by a loader.

    Args:
        dataset: opened, for checking; the loader opens it for itself.
        work: what the loader is asked for.
        kind: which loader.
        threads: that it has.
        seconds: for which it runs before the first repeat, so that what it reads is in the cache.
        device: where the loaders of torch and DALI put their batches.
        channels_last: whether tensors are in this memory format.
    """

    takes = "stored bytes"
    is_cold: bool | None = False

    def __init__(
        self,
        dataset: Dataset,
        work: Work,
        *,
        kind: Kind,
        threads: int,
        seconds: float,
        device: str = "cpu",
        channels_last: bool = False,
    ) -> None:
        self.name, self.threads = self.name_of(kind), threads
        self.dataset, self.work, self.kind = dataset, work, kind
        self._device, self._seconds = device, seconds
        self._channels_last = channels_last
        self._mean_nbytes = float(dataset.index.nbytes.mean())
        self._is_warm = False
        self._last: tuple[int, int, Any] = (0, 0, None)

    def name_of(self, kind: str) -> str:
        """Return the name of the row."""
        return f"{names.BATCHES} ({kind})"

    @property
    def last_batch(self) -> Any:
        """The one that was given last."""
        return self._last[2]

    def prepare(self) -> None:
        """Run once, so that later runs find the same records in the page cache."""
        if not self._is_warm:
            self._is_warm = True
            repeat(self, seconds=self._seconds)

    @property
    def recipe(self) -> TrainRecipe | EvalRecipe:
        """What is done to the pixels."""
        return self.work.recipe

    def batches(self) -> Generator[Done, None, None]:
        """Open the loader, and yield its batches until it is closed."""
        with contextlib.closing(self.open()) as loader:
            for epoch in count():
                for step, batch in enumerate(loader.epoch(epoch)):
                    yield self.done(epoch, step, batch)

    def open(self) -> Any:
        """Return a loader for the work; what all of them have is `loaders.batch.Loader`."""
        schedule = self.work.schedule
        loader: Any = open_loader(
            self.dataset.root,
            self.recipe,
            batch_size=schedule.batch_size,
            split=self.dataset.split,
            seed=SEED,
            rank=schedule.rank,  # whatever launched it: what is measured is this process
            world_size=schedule.world_size,
            last="drop",
            threads=self.threads,
            device=self._device if self.kind == "dali" else "cpu",
            decoder="dali" if self.kind == "dali" else "cpu",
        )
        if self.kind == "cpu" or (self.kind == "dali" and self._device == "cpu"):
            return loader
        from imnet_data.loaders.torch import TorchLoader

        return TorchLoader(
            loader.loader if isinstance(loader, TorchLoader) else loader,
            device=self._device,
            channels_last=self._channels_last,
        )

    def done(self, epoch: int, step: int, batch: Any) -> Done:
        """Keep a batch for `check`, and return what was done."""
        self._last = epoch, step, batch
        # the mean: to ask a GPU which records these are would hold it up
        return Done(len(batch.labels), round(len(batch.labels) * self._mean_nbytes))

    def check(self) -> int:
        """Compare the records, the labels and some images of the last batch with Pillow's."""
        epoch, step, batch = self._last
        schedule = self.work.schedule
        indices = schedule.batch(schedule.epoch_order(epoch), step)
        self._require(np.array_equal(on_host(batch.indices), indices), "gave other records")
        labels = self.dataset.labels[indices]
        self._require(np.array_equal(on_host(batch.labels), labels), "gave other labels")
        recipe, size = self.work.recipe, self.work.recipe.size_at(epoch)
        boxes, flips = boxes_of(self.dataset, recipe, indices, epoch=epoch)
        for position in some(len(indices)):
            left, upper, right, lower = boxes[position].tolist()
            image = picture(self.dataset, int(indices[position])).crop((left, upper, right, lower))
            expected = resized(image, size=size, flip=bool(flips[position]))
            self._require_image(on_host(batch.images[position]), expected)
        return len(some(len(indices)))

    def _require_image(self, image: NDArray[Any], expected: NDArray[np.uint8]) -> None:
        recipe = self.recipe
        if self.kind == "torch":
            require_normalized(image, expected, recipe)
        elif self.kind == "cpu":
            self._require(np.array_equal(image, expected), "gave other pixels than Pillow")
        else:
            if image.dtype != np.uint8:  # normalized, on a GPU
                values = image.transpose(1, 2, 0) * np.array(recipe.std) + np.array(recipe.mean)
                image = values * 255
            distance = float(np.abs(image - expected.astype(np.float64)).mean())
            text = f"gave pixels {distance:.1f} grey levels from Pillow's, on average"
            self._require(distance <= _DALI_TOLERANCE, text)

    def _require(self, is_right: bool, what: str) -> None:
        if not is_right:
            raise EvaluationError(
                f"{self.name} of {self.dataset.root} {what}, so its time means nothing; "
                f"run {verify_command(self.dataset.root, decodes=True)}"
            )


def on_host(values: Any) -> NDArray[Any]:
    """Return a tensor or an array as an array."""
    host: NDArray[Any] = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return host
