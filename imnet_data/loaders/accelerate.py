"""A TorchLoader as Accelerate takes a DataLoader, and transformers' Trainer on top of it.

It is one of Accelerate's own loaders: gradient accumulation, `gather_for_metrics`, `save_state` and
`skip_first_batches` are Accelerate's code. Its sampler gives steps of an epoch in the place of
record numbers, and its dataset returns the whole batch of a step, which native threads have made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from accelerate import PartialState
from accelerate.data_loader import DataLoaderShard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imnet_data.loaders.torch import Position, TorchLoader


class AccelerateLoader(DataLoaderShard):  # type: ignore[misc]
    """What `Accelerator.prepare` takes, and a Trainer as the result of `get_train_dataloader`.

    Each rank has its own batches already; `prepare` changes nothing. Ranks must be alike for
    `gather_for_metrics`, so where there are several, the "ragged" last batches of an evaluation are
    filled up, and `gather_for_metrics` takes the filling away.

    Args:
        loader: opened after the Accelerator was made; closed with this one.
    """

    def __init__(self, loader: TorchLoader) -> None:
        loader.loader.make_ranks_alike()
        self._loader = loader
        super().__init__(
            _Batches(loader),
            batch_sampler=_Steps(loader),
            collate_fn=_as_it_is,
            device=PartialState().device,
            _drop_last=loader.drop_last,
        )
        self._is_accelerate_prepared = True
        self.use_stateful_dataloader = True  # lets save_state and load_state ask for the position
        self._start = 0  # the batch that the next iteration begins with
        self._at = (0, 0)  # epoch, and batches of it that were given
        self._is_epoch_set = False

    def __iter__(self) -> Iterator[Any]:
        if self._start == len(self) and not self._is_epoch_set:
            self.set_epoch(self.iteration + 1)
        epoch, start = self.iteration, self._start
        self.batch_sampler.start, self._start = start, 0
        for done, batch in enumerate(super().__iter__(), start + 1):
            self._at = (epoch, done)
            yield batch
        self._at = (epoch + 1, 0)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration: from its start, or from where it was loaded."""
        if epoch != self.iteration:
            self._start = 0
        self._at, self._is_epoch_set = (epoch, self._start), True
        super().set_epoch(epoch)

    def state_dict(self) -> Position:
        """Return the position after the last batch that was given; the same on every rank."""
        return self._loader.position(*self._at)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Start the next iteration where the state was taken, as TorchLoader does.

        Raises:
            ValueError: if the state does not belong to this loader.
        """
        self.iteration, self._start = self._at = self._loader.start_of(state_dict)
        self._is_epoch_set = False

    def close(self) -> None:
        """Close threads and files; tensors that are held stay as they are."""
        self._loader.close()


class _Step(NamedTuple):
    epoch: _Epoch
    number: int


class _Epoch:
    """One iteration of an epoch, from the first step that is asked for."""

    def __init__(self, loader: TorchLoader, number: int) -> None:
        self._loader, self._number = loader, number
        self._batches: Iterator[Any] | None = None

    def batch(self, step: int) -> Any:
        """Return the batch of `step`; steps are asked for one after another."""
        if self._batches is None:
            self._batches = self._loader.shaped_epoch(self._number, start=step)
        return next(self._batches)


class _Steps:
    """The batch sampler: what it has besides steps is read by Accelerate."""

    def __init__(self, loader: TorchLoader) -> None:
        self._loader = loader
        self._epoch = 0
        self.start = 0  # of the next iteration alone
        self.batch_size, self.drop_last = loader.batch_size, loader.drop_last
        self.num_processes = loader.loader.schedule.world_size
        self.sampler = self  # where `skip_first_batches` has wrapped it, set_epoch goes to this

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[_Step]:
        start, self.start = self.start, 0
        epoch = _Epoch(self._loader, self._epoch)
        for number in range(start, len(self)):
            yield _Step(epoch, number)


class _Batches:
    """The dataset: as long as an epoch of all ranks, without what is filled up or left out."""

    def __init__(self, loader: TorchLoader) -> None:
        self._schedule = loader.loader.schedule

    def __len__(self) -> int:
        whole = len(self._schedule) * self._schedule.global_batch_size
        return min(whole, self._schedule.count)

    def __getitems__(self, step: _Step) -> Any:
        return step.epoch.batch(step.number)


def _as_it_is(batch: Any) -> Any:
    return batch
