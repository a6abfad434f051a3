"""Batches as torch tensors, normalised, on any device.

On the CPU the native `normalize` makes the numbers. On a GPU uint8 is copied, from pinned memory on
a stream of its own while the device works on earlier batches, and made to numbers there: a quarter
of float32's bytes go over the bus. What was decoded on the GPU is there already. Both are the
float32 arithmetic of torchvision's ToTensor and Normalize, to the last bit.

`TorchLoader` holds the position that `Loader` does not have, for trainers that say
`for images, labels in loader`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor

from imnet_data.arguments import integer
from imnet_data.augment.sending import sent
from imnet_data.loaders.batch import DeviceBatch
from imnet_data.loaders.buffers import Buffers
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.device import constants, mark, normalized, pinned, require_device
from imnet_data.loaders.ranks import of_group
from imnet_data.loaders.samplers import EpochBatchSampler, EpochSampler
from imnet_data.loaders.torch_dataset import ImageNet
from imnet_data.machine.closing import Closing
from imnet_data.transforms import normalize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imnet_data.dataset.opened import Dataset
    from imnet_data.loaders.batch import Batch
    from imnet_data.loaders.dali import DaliLoader

__all__ = [
    "ImageNet",
    "Position",
    "TensorBatch",
    "TorchLoader",
    "pinned",
    "rank_and_world",
    "require_device",
]

_NAMES: dict[torch.dtype, Literal["float32", "float16", "bfloat16"]] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
}


class TensorBatch(NamedTuple):
    """A Batch on a device."""

    images: Tensor  # [n, 3, size, size], R G B, normalised
    labels: Tensor  # int64[n], -1 where there is none
    indices: Tensor  # int64[n], the records' numbers in their split


class Position(TypedDict):
    """How far a loader has come, and in what; the same on every rank."""

    epoch: int
    records: int  # of the epoch's order that all ranks have taken
    seed: int
    order: str
    digest: str  # of the split's manifest


def rank_and_world() -> tuple[int, int]:
    """Return rank and world size as torch.distributed has them; 0 and 1 where it is not in use."""
    group = of_group()
    return (group.rank, group.world_size) if group else (0, 1)


def pin_buffers(loader: CpuLoader) -> None:
    """Make a loader's batches in pinned memory, unless it was made with an `allocate`."""
    if loader.buffers.is_plain:
        loader.buffers = Buffers(pinned)


class TorchLoader(Closing):
    """Loader of tensors, and a drop-in for torch's DataLoader.

    `epoch(n, start=k)` gives TensorBatches, and does not touch the position. Iterating gives the
    parts of them that `names` and `with_indices` say, of one epoch after another, or of the one
    that `set_epoch` says.

    Args:
        loader: what makes the batches; closed with this one. For a GPU a CpuLoader's memory is
            pinned, unless it has an `allocate`; the others decode on the GPU they were made for.
        device: where the tensors are to be.
        dtype: of images: torch.float32, float16 or bfloat16.
        channels_last: return images in this memory format.
        batches_on_device: copied to a GPU ahead of the one that the caller works on.
        names: iterate dicts, with these names for images and labels (and indices), not tuples.
        with_indices: iterate images, labels and indices.
    """

    # What frameworks read of a DataLoader. Native threads take the place of its worker processes,
    # and batches come whole, so there is nothing to be set for either.
    num_workers = 0
    collate_fn = None
    pin_memory = False  # what it gives is on its device already
    generator = None
    prefetch_factor = None
    timeout = 0
    worker_init_fn = None
    multiprocessing_context = None
    persistent_workers = False

    def __init__(
        self,
        loader: CpuLoader | DaliLoader,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        batches_on_device: int = 1,
        names: Sequence[str] | None = None,
        with_indices: bool = False,
    ) -> None:
        if dtype not in _NAMES:
            raise ValueError(f"dtype is {dtype}; allowed are {', '.join(map(str, _NAMES))}")
        integer("batches_on_device", batches_on_device, least=1)
        parts = TensorBatch._fields[: 3 if with_indices else 2]
        if names is not None and (isinstance(names, str) or len(set(names)) != len(parts)):
            raise ValueError(f"names are {names!r}; one each is needed for {', '.join(parts)}")
        self.loader = loader
        self.device = require_device(device)
        self.dtype = dtype
        self.channels_last = channels_last
        self.sampler = EpochSampler(self)
        self.batch_sampler = EpochBatchSampler(self.sampler, self)
        self._names, self._part_count = names, len(parts)
        self._batches_on_device = batches_on_device
        self._at = (0, 0)  # epoch, and batches of it that were given
        self._next = (0, 0)  # where the next iteration begins
        self._is_epoch_set = False
        self._stream: torch.cuda.Stream | None = None
        if self.device.type == "cuda":
            # one for all epochs: torch keeps the memory of each stream for that stream alone
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            if isinstance(loader, CpuLoader):
                pin_buffers(loader)

    @property
    def dataset(self) -> Dataset:
        """The split: its length, classes, labels and records."""
        if self.loader.dataset is None:
            raise ValueError("the loader was made without a dataset; pass one to CpuLoader")
        return self.loader.dataset

    @property
    def batch_size(self) -> int:
        """Records in a batch of one rank."""
        return self.loader.batch_size

    @property
    def drop_last(self) -> bool:
        """Whether records that do not fill a batch are left out."""
        return self.loader.drop_last

    def __len__(self) -> int:
        return len(self.loader)

    @property
    def next_epoch(self) -> int:
        """The epoch that the next iteration gives."""
        return self._start()[0]

    def epoch(self, number: int, *, start: int = 0) -> Iterator[TensorBatch]:
        """Return the batches of epoch `number` from batch `start` on."""
        batches = self.loader.epoch(number, start=start)
        if self.device.type == "cuda":
            return self._copied(batches)
        return map(self._tensors, batches)

    def __iter__(self) -> Iterator[Any]:
        epoch, start = self._at = self._start()
        self._next, self._is_epoch_set = (epoch + 1, 0), False
        for done, batch in enumerate(self.epoch(epoch, start=start), start + 1):
            self._at = (epoch, done)
            yield self.shaped(batch)
        self._at = (epoch + 1, 0)

    def shaped(self, batch: TensorBatch) -> tuple[Tensor, ...] | dict[str, Tensor]:
        """Return a batch of `epoch` in the shape that iterating gives."""
        parts = batch[: self._part_count]
        return parts if self._names is None else dict(zip(self._names, parts, strict=True))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration: from its start, or from where it was loaded."""
        integer("epoch", epoch, least=0)
        if epoch != self._next[0]:
            self._next = (epoch, 0)
        self._at, self._is_epoch_set = self._next, True

    def state_dict(self) -> Position:
        """Return the position after the last batch that was given; the same on every rank."""
        return self.position(*self._at)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Start the next iteration where the state was taken.

        After a whole epoch that is the next one, unless `set_epoch` names the epoch of the state,
        of which nothing is left. Batch size, world size and threads may be others than before.

        Raises:
            ValueError: as `start_of` does.
        """
        self._at = self._next = self.start_of(state_dict)
        self._is_epoch_set = False

    def position(self, epoch: int, batch: int) -> Position:
        """Return the state before batch number `batch` of `epoch`."""
        schedule, dataset = self.loader.schedule, self.dataset
        return Position(
            epoch=epoch,
            records=batch * schedule.global_batch_size,
            seed=schedule.seed,
            order=schedule.order,
            digest=dataset.split_description.digest,
        )

    def start_of(self, state_dict: Mapping[str, Any]) -> tuple[int, int]:
        """Return the epoch and the number of the batch at which a state resumes here.

        Raises:
            ValueError: if it is a state of other records, another order or another seed, or the
                records that were taken do not make up a whole number of batches now.
        """
        here = self.position(0, 0)
        for name in ("seed", "order", "digest"):
            if state_dict[name] != here[name]:
                raise ValueError(
                    f"the state has {name} {state_dict[name]!r}, this loader has {here[name]!r}"
                )
        size = self.loader.schedule.global_batch_size
        batch, rest = divmod(state_dict["records"], size)
        if rest or batch > len(self):
            raise ValueError(
                f"{state_dict['records']} records of epoch {state_dict['epoch']} were taken, "
                f"which is not a whole number of the current batches: {len(self)} of {size} "
                "records over all ranks; choose a size that divides the number"
            )
        return state_dict["epoch"], batch

    def _start(self) -> tuple[int, int]:
        """Return the epoch and the batch that the next iteration begins with."""
        epoch, start = self._next
        is_over = start == len(self) and not self._is_epoch_set
        return (epoch + 1, 0) if is_over else (epoch, start)

    def close(self) -> None:
        """Close threads and files; tensors that are held stay as they are."""
        self.loader.close()

    def _tensors(self, batch: Batch | DeviceBatch) -> TensorBatch:
        recipe = self.loader.recipe
        values = normalize(
            np.asarray(batch.images),
            mean=recipe.mean,
            std=recipe.std,
            dtype=_NAMES[self.dtype],
            layout="NHWC" if self.channels_last else "NCHW",
        )
        if self.dtype == torch.bfloat16:
            values = values.view("int16")  # its bits, see `normalize`
        images = torch.from_numpy(values).view(self.dtype)
        if self.channels_last:
            images = images.permute(0, 3, 1, 2)
        labels, indices = torch.from_numpy(batch.labels), torch.from_numpy(batch.indices)
        return TensorBatch(*(part.to(self.device) for part in (images, labels, indices)))

    def _copied(self, batches: Iterator[Batch | DeviceBatch]) -> Iterator[TensorBatch]:
        """Yield the batches on the GPU, the next ones being copied meanwhile."""
        stream = self._stream
        assert stream is not None
        numbers = constants(self.loader.recipe, self.device)  # once: this waits for the device
        ahead: deque[_OnTheWay] = deque()
        try:
            for batch in batches:
                ahead.append(self._copy(batch, stream, numbers))
                if len(ahead) > self._batches_on_device:
                    yield ahead.popleft().wait()
            while ahead:
                yield ahead.popleft().wait()
        finally:
            stream.synchronize()  # before the memory that is copied from may be used again

    def _copy(
        self, batch: Batch | DeviceBatch, stream: torch.cuda.Stream, numbers: Tensor
    ) -> _OnTheWay:
        with torch.cuda.stream(stream):
            raw = torch.as_tensor(batch.images).to(self.device, non_blocking=True)
            labels, indices = (sent(part, self.device) for part in (batch.labels, batch.indices))
            copied = mark(self.device)
            images = normalized(raw, numbers, dtype=self.dtype, channels_last=self.channels_last)
            ready = mark(self.device)
        if isinstance(batch, DeviceBatch):
            copied = ready  # not copied: `raw` is its memory
        return _OnTheWay(batch, TensorBatch(images, labels, indices), copied, ready)


class _OnTheWay(NamedTuple):
    """A batch that is being copied to a GPU."""

    source: Batch | DeviceBatch  # not to be used again before it is copied
    tensors: TensorBatch
    copied: torch.cuda.Event
    ready: torch.cuda.Event

    def wait(self) -> TensorBatch:
        """Return the tensors: the host waits for the copy, the device for the numbers."""
        self.copied.synchronize()
        stream = torch.cuda.current_stream(self.tensors.images.device)
        stream.wait_event(self.ready)
        for tensor in self.tensors:
            tensor.record_stream(stream)  # its memory was taken on the other one
        return self.tensors
