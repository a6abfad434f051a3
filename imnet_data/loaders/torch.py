"""Batches as torch tensors, normalised and augmented, on any device.

Numbers are the float32 arithmetic of torchvision's ToTensor and Normalize, to the last bit, on
every device (see `tensor_batches`); then comes what the recipe does to tensors (see `tensors`).

`TorchLoader` holds the position that `Loader` does not have, for trainers that say
`for images, labels in loader`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import torch

from imnet_data.arguments import integer
from imnet_data.loaders.device import pinned, require_device
from imnet_data.loaders.plain import require_one_image, require_views
from imnet_data.loaders.ranks import of_group
from imnet_data.loaders.samplers import EpochBatchSampler, EpochSampler
from imnet_data.loaders.tensor_batches import (
    DTYPES,
    TensorBatch,
    TensorBatches,
    TensorViews,
    pin_buffers,
)
from imnet_data.loaders.torch_dataset import ImageNet
from imnet_data.machine.closing import Closing
from imnet_data.transforms import MultiCropRecipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from imnet_data.dataset.opened import Dataset
    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.dali import DaliLoader

__all__ = [
    "ImageNet",
    "Position",
    "TensorBatch",
    "TensorViews",
    "TorchLoader",
    "pin_buffers",
    "pinned",
    "rank_and_world",
    "require_device",
]


class Position(TypedDict):
    """How far a loader has come, and in what; the same on every rank."""

    epoch: int
    records: int  # of the epoch's order that all ranks have taken
    seed: int
    order: str
    repeats: int
    digest: str  # of the split's manifest


def rank_and_world() -> tuple[int, int]:
    """Return rank and world size as torch.distributed has them; 0 and 1 where it is not in use."""
    group = of_group()
    return (group.rank, group.world_size) if group else (0, 1)


class TorchLoader(Closing):
    """Loader of tensors, and a drop-in for torch's DataLoader.

    `epoch(n, start=k)` gives TensorBatches, `views(n, start=k)` TensorViews; neither touches the
    position. Iterating gives the parts of them that `names` and `with_indices` say, of one epoch
    after another, or of the one that `set_epoch` says. With a MultiCropRecipe, the images are a
    list of tensors, one per view. What the recipe does to tensors is done on the device.

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
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {dtype}; allowed are {', '.join(map(str, DTYPES))}")
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
        self._batches = TensorBatches(
            loader,
            device=self.device,
            dtype=dtype,
            channels_last=channels_last,
            batches_on_device=batches_on_device,
        )
        self._at = (0, 0)  # epoch, and batches of it that were given
        self._next = (0, 0)  # where the next iteration begins
        self._is_epoch_set = False

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
        """Return the batches of epoch `number` from batch `start` on.

        Raises:
            ValueError: if the recipe makes several views.
        """
        require_one_image(self.loader.recipe)
        return map(TensorViews.batch, self._batches.made(number, start))

    def views(self, number: int, *, start: int = 0) -> Iterator[TensorViews]:
        """Return the same for a MultiCropRecipe.

        Raises:
            ValueError: if the recipe is no MultiCropRecipe.
        """
        require_views(self.loader.recipe)
        return self._batches.made(number, start)

    def shaped_epoch(self, number: int, *, start: int = 0) -> Iterator[Any]:
        """Return either, in the shape that iterating gives."""
        has_views = isinstance(self.loader.recipe, MultiCropRecipe)
        batches = (self.views if has_views else self.epoch)(number, start=start)
        return map(self._shaped, batches)

    def __iter__(self) -> Iterator[Any]:
        epoch, start = self._at = self._start()
        self._next, self._is_epoch_set = (epoch + 1, 0), False
        for done, batch in enumerate(self.shaped_epoch(epoch, start=start), start + 1):
            self._at = (epoch, done)
            yield batch
        self._at = (epoch + 1, 0)

    def _shaped(
        self, batch: TensorBatch | TensorViews
    ) -> tuple[Tensor | list[Tensor], ...] | dict[str, Tensor | list[Tensor]]:
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
            repeats=schedule.repeats,
            digest=dataset.split_description.digest,
        )

    def start_of(self, state_dict: Mapping[str, Any]) -> tuple[int, int]:
        """Return the epoch and the number of the batch at which a state resumes here.

        Raises:
            ValueError: if it is a state of other records, another order or another seed, or the
                records that were taken do not make up a whole number of batches now.
        """
        here = self.position(0, 0)
        stored = {"repeats": 1, **state_dict}  # states from before there were repeats have none
        for name in ("seed", "order", "repeats", "digest"):
            if stored[name] != here[name]:
                raise ValueError(
                    f"the state has {name} {stored[name]!r}, this loader has {here[name]!r}"
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
