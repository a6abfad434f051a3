"""Which records come when, on which rank: a pure function of a few numbers.

The order of an epoch is cut into global batches of `batch_size * world_size` records, and each of
these into the ranks' batches: put together, the batches of all ranks are those of one rank with the
global batch size. So a run may be resumed with another number of ranks, as long as the global batch
stays the same.

With `repeats` above 1 (repeated augmentation: Hoffer et al., "Augment your batch", 2020), each
record comes that often in a row, and an epoch has as many batches as without: so it has the first
part of the records of its order alone. The ranks take turns then, record by record, and the
repeats go to different ranks: batch by batch, a rank has what torchvision's RASampler gives it.

`block` is for disks that hate random reads. Blocks of 256 records that lie one after another are
drawn in random order, and every 64 of them are shuffled among each other: whoever asks the system
to read the blocks of the next group meanwhile reads 28 MB in one go, and needs 1.8 GB of page
cache, for images of 110 kB. A batch of 256 then comes from at most 64 places of the dataset (from
62.9 on average), which is no loss where records were shuffled when the dataset was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from imnet_data.arguments import integer, one_of
from imnet_data.rng import MAX_REPEATS, Stream, hash64, keys, require_seed, shuffled

if TYPE_CHECKING:
    from numpy.typing import NDArray

Order = Literal["shuffled", "block", "sequential"]
Last = Literal["drop", "wrap", "ragged"]

BLOCK = 256  # records that are read in one go
GROUP = 64  # blocks that are shuffled among each other


def shuffled_blocks(count: int, *, seed: int, epoch: int = 0) -> NDArray[np.int64]:
    """Return the numbers of the blocks of `count` records in shuffled order, int64[blocks]."""
    numbers = np.arange(-(-count // BLOCK))
    return np.argsort(hash64(seed, Stream.BLOCK, epoch, numbers), kind="stable")


def block_shuffled(count: int, *, seed: int, epoch: int = 0) -> NDArray[np.int64]:
    """Return 0 to count - 1, shuffled within groups of shuffled blocks, int64[count]."""
    blocks = shuffled_blocks(count, seed=seed, epoch=epoch)
    group_of_block = np.empty(len(blocks), np.int64)
    group_of_block[blocks] = np.arange(len(blocks)) // GROUP
    records = np.arange(count)
    keys = hash64(seed, Stream.ORDER, epoch, records)
    return np.lexsort((keys, group_of_block[records // BLOCK]))


class Draws(NamedTuple):
    """What the draws of a batch are made from."""

    keys: NDArray[np.int64]  # [n], of each record: see `rng.keys`
    first: int  # the key of the first record that all ranks have in this step


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The batches of one rank."""

    count: int  # records in the split
    batch_size: int  # records in a batch of one rank
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    order: Order = "shuffled"
    # what becomes of the records that do not fill a global batch:
    #   drop    they are left out, other ones in each epoch
    #   wrap    it is filled up with the first records of the same epoch
    #   ragged  they are spread evenly over the ranks: every record comes exactly once, and the last
    #           batches are smaller by then, empty where there are fewer records than ranks
    last: Last = "drop"
    repeats: int = 1  # how often each record comes in a row

    def __post_init__(self) -> None:
        integer("count", self.count, least=0)
        integer("batch_size", self.batch_size, least=1)
        require_seed("seed", self.seed)
        integer("world_size", self.world_size, least=1)
        integer("rank", self.rank, least=0, most=self.world_size - 1)
        one_of("order", self.order, ("shuffled", "block", "sequential"))
        integer("repeats", self.repeats, least=1, most=MAX_REPEATS)
        one_of(
            "last", self.last, ("drop", "wrap", "ragged") if self.repeats == 1 else ("drop", "wrap")
        )
        if len(self) == 0:
            raise ValueError(
                f"{self.count} records do not fill one batch of {self.batch_size} on each of "
                f'{self.world_size} ranks; choose a smaller batch_size, or last="wrap"'
            )

    @property
    def global_batch_size(self) -> int:
        """Records that all ranks together take in a step."""
        return self.batch_size * self.world_size

    def __len__(self) -> int:
        whole, rest = divmod(self.count, self.global_batch_size)
        return whole + (rest > 0 and self.last != "drop")

    def require_records(self, count: int) -> None:
        """Raise a ValueError if this is not for a source of `count` records."""
        if self.count != count:
            raise ValueError(f"the schedule is for {self.count} records, the source has {count}")

    def require_start(self, epoch: int, start: int) -> None:
        """Raise a ValueError if an epoch cannot be given from batch `start` on."""
        integer("epoch", epoch, least=0)
        integer("start", start, least=0, most=len(self))

    def epoch_order(self, epoch: int) -> NDArray[np.int64]:
        """Return the order of all records in `epoch`, the same on every rank, int64[count]."""
        if self.order == "shuffled":
            return shuffled(self.count, seed=self.seed, epoch=epoch)
        if self.order == "block":
            return block_shuffled(self.count, seed=self.seed, epoch=epoch)
        return np.arange(self.count)

    def batch(self, order: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        """Return the records of this rank's batch number `step`, out of `epoch_order`."""
        return order[self._places(step) // self.repeats]

    def draws(self, order: NDArray[np.int64], step: int) -> Draws:
        """Return what is drawn from for the batch."""
        repeat = self._places(step) % self.repeats
        first, first_repeat = divmod(step * self.global_batch_size, self.repeats)
        return Draws(
            keys(self.batch(order, step), repeat=repeat),
            int(keys(order[first : first + 1], repeat=first_repeat)[0]),
        )

    def _places(self, step: int) -> NDArray[np.int64]:
        """Return which of the epoch's `count` places this rank's batch has."""
        start = step * self.global_batch_size
        length = self.global_batch_size
        if self.repeats > 1:
            return np.arange(start + self.rank, start + length, self.world_size) % self.count
        if self.last == "ragged":
            length = min(length, self.count - start)
        first = start + length * self.rank // self.world_size
        after = start + length * (self.rank + 1) // self.world_size
        return np.arange(first, after) % self.count
