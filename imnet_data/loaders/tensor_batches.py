"""Tensors of what a loader has decoded: copied to their device, and made there as a recipe says.

On the CPU the threads of `CpuLoader` make numbers in place of pixels. On a GPU uint8 is copied,
from pinned memory on a stream of its own while the device works on earlier batches, and made to
numbers there: a quarter of float32's bytes go over the bus. What was decoded on the GPU is there
already.
"""

from __future__ import annotations

import functools
from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imnet_data.augment.sending import sent
from imnet_data.errors import LabelError
from imnet_data.loaders.buffers import Buffers
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.device import mark, pinned
from imnet_data.loaders.source import class_count_of, record_name
from imnet_data.loaders.tensors import Augmenter
from imnet_data.transforms import Numbers, TrainRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imnet_data.loaders.batch import Decoded
    from imnet_data.loaders.dali import DaliLoader
    from imnet_data.loaders.schedule import Draws
    from imnet_data.transforms import EvalRecipe, MultiCropRecipe

DTYPES: dict[torch.dtype, Literal["float32", "float16", "bfloat16"]] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
}


class TensorBatch(NamedTuple):
    """A Batch on a device."""

    images: Tensor  # [n, 3, size, size], R G B, normalised, and augmented as the recipe says
    labels: Tensor  # int64[n], -1 where there is none; with `mix`, soft targets float32[n, classes]
    indices: Tensor  # int64[n], the records' numbers in their split


class TensorViews(NamedTuple):
    """A ViewBatch on a device."""

    views: list[Tensor]  # one per view: [n, 3, size, size], R G B, coloured and normalised
    labels: Tensor  # int64[n], -1 where there is none, or soft targets
    indices: Tensor  # int64[n], the records' numbers in their split

    def batch(self) -> TensorBatch:
        """Return the first view, which is the only one."""
        return TensorBatch(self.views[0], self.labels, self.indices)


def pin_buffers(loader: CpuLoader) -> None:
    """Make a loader's batches in pinned memory, unless it was made with an `allocate`."""
    if loader.buffers.is_plain:
        loader.buffers = Buffers(pinned)


class TensorBatches:
    """The batches of a loader, as tensors on one device.

    Args:
        loader: what decodes.
        device: where the tensors are to be.
        dtype: of images: one of DTYPES.
        channels_last: memory format of images.
        batches_on_device: copied to a GPU ahead of the one that is given.
    """

    def __init__(
        self,
        loader: CpuLoader | DaliLoader,
        *,
        device: torch.device,
        dtype: torch.dtype,
        channels_last: bool,
        batches_on_device: int,
    ) -> None:
        if _mixes(loader.recipe):
            _require_mixable(loader)
        self._loader, self._device = loader, device
        self._dtype, self._channels_last = dtype, channels_last
        self._numbers = Numbers(
            loader.recipe.mean,
            loader.recipe.std,
            DTYPES[dtype],
            "NHWC" if channels_last else "NCHW",
        )
        self._batches_on_device = batches_on_device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            # one for all epochs: torch keeps the memory of each stream for that stream alone
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            if isinstance(loader, CpuLoader):
                pin_buffers(loader)

    def made(self, number: int, start: int) -> Iterator[TensorViews]:
        """Return the batches of epoch `number` from batch `start` on, with all their views."""
        loader, schedule, recipe = self._loader, self._loader.schedule, self._loader.recipe
        is_made_here = self._device.type == "cpu" and not recipe.is_augmented
        if is_made_here and isinstance(loader, CpuLoader):
            return map(self._viewed, loader.decoded(number, start=start, numbers=self._numbers))
        decoded = loader.decoded(number, start=start)
        if is_made_here:
            return map(self._normalized, decoded)
        augmenter = Augmenter(  # once: on a GPU, this waits for the device
            recipe,
            device=self._device,
            dtype=self._dtype,
            channels_last=self._channels_last,
            class_count=class_count_of(self._loader.source),
            seed=schedule.seed,
            repeats=schedule.repeats,
        )
        if self._device.type == "cuda":
            return self._copied(decoded, augmenter, number)
        return map(functools.partial(self._augmented, augmenter=augmenter, epoch=number), decoded)

    def _normalized(self, decoded: Decoded) -> TensorViews:
        """Return the numbers of pixels on the CPU that another loader than ours has made."""
        (views,) = decoded.groups
        numbers = self._numbers.of(np.asarray(views[0]))
        return self._viewed(decoded._replace(groups=[numbers[np.newaxis]]))

    def _viewed(self, decoded: Decoded) -> TensorViews:
        """Return the tensors of numbers on the CPU."""
        views: list[Tensor] = []
        for group in decoded.groups:
            # NumPy has no bfloat16, and torch before 2.3 no uint16
            values = group.view("int16") if self._dtype == torch.bfloat16 else group
            images = torch.from_numpy(values).view(self._dtype)
            if self._channels_last:
                images = images.permute(0, 1, 4, 2, 3)
            views += [images[view] for view in range(len(images))]
        labels, indices = torch.from_numpy(decoded.labels), torch.from_numpy(decoded.indices)
        return TensorViews(views, labels, indices)

    def _augmented(self, decoded: Decoded, *, augmenter: Augmenter, epoch: int) -> TensorViews:
        return self._on_device(decoded).made(augmenter, epoch)

    def _on_device(self, decoded: Decoded) -> _Raw:
        """Copy to the device what the host has, if it can be trained on."""
        if _mixes(self._loader.recipe) and (decoded.labels < 0).any():
            index = int(decoded.indices[decoded.labels < 0][0])
            raise LabelError(
                f"{record_name(self._loader.source, index)} has no label, and `mix` makes soft "
                "targets of labels; leave it out of the recipe, or choose other labels"
            )
        groups = [
            torch.as_tensor(group).to(self._device, non_blocking=True) for group in decoded.groups
        ]
        labels, indices = (sent(part, self._device) for part in (decoded.labels, decoded.indices))
        return _Raw(groups, labels, indices, decoded.draws)

    def _copied(
        self, batches: Iterator[Decoded], augmenter: Augmenter, epoch: int
    ) -> Iterator[TensorViews]:
        """Yield the batches on the GPU, the next ones being copied meanwhile."""
        stream = self._stream
        assert stream is not None
        ahead: deque[_OnTheWay] = deque()
        try:
            for batch in batches:
                with torch.cuda.stream(stream):
                    raw = self._on_device(batch)
                    copied = mark(self._device)
                    made = raw.made(augmenter, epoch)
                    ready = mark(self._device)
                if isinstance(batch.groups[0], Tensor):
                    copied = ready  # not copied: `raw` is its memory
                ahead.append(_OnTheWay(batch, made, copied, ready))
                if len(ahead) > self._batches_on_device:
                    yield ahead.popleft().wait()
            while ahead:
                yield ahead.popleft().wait()
        finally:
            stream.synchronize()  # before the memory that is copied from may be used again


def _mixes(recipe: TrainRecipe | EvalRecipe | MultiCropRecipe) -> bool:
    return isinstance(recipe, TrainRecipe) and recipe.mix is not None


def _require_mixable(loader: CpuLoader | DaliLoader) -> None:
    """Raise a ValueError for batches that cannot be mixed in pairs on their rank."""
    if loader.batch_size % 2 or not loader.are_batches_full:
        raise ValueError(
            f"batch_size is {loader.batch_size}, and the last batches are "
            f"{'full' if loader.are_batches_full else 'ragged'}; a recipe with `mix` takes an even "
            'batch_size, and last="drop" or "wrap"'
        )
    if class_count_of(loader.source) is None:
        raise ValueError("the source has no class_count, which a recipe with `mix` needs")


class _Raw(NamedTuple):
    """A batch as decoded, on its device."""

    groups: list[Tensor]
    labels: Tensor
    indices: Tensor
    draws: Draws

    def made(self, augmenter: Augmenter, epoch: int) -> TensorViews:
        """Return what the recipe makes of it."""
        views, labels = augmenter.made(self.groups, self.labels, self.draws, epoch=epoch)
        return TensorViews(views, labels, self.indices)


class _OnTheWay(NamedTuple):
    """A batch that is being copied to a GPU."""

    source: Decoded  # not to be used again before it is copied
    made: TensorViews
    copied: torch.cuda.Event
    ready: torch.cuda.Event

    def wait(self) -> TensorViews:
        """Return the tensors: the host waits for the copy, the device for the numbers."""
        self.copied.synchronize()
        views, labels, indices = self.made
        stream = torch.cuda.current_stream(labels.device)
        stream.wait_event(self.ready)
        for tensor in (*views, labels, indices):
            tensor.record_stream(stream)  # its memory was taken on the other one
        return self.made
