import numpy as np
import pytest

from imnet_data.loaders.schedule import BLOCK, GROUP, Schedule, block_shuffled
from imnet_data.rng import shuffled


def epoch_of(schedule, epoch=0):
    order = schedule.epoch_order(epoch)
    return [schedule.batch(order, step) for step in range(len(schedule))]


@pytest.mark.parametrize("last", ["drop", "wrap", "ragged"])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_put_together_are_one_rank_with_the_global_batch(world_size, last):
    def schedule(rank, world_size, batch_size):
        return Schedule(
            count=101, batch_size=batch_size, seed=3, rank=rank, world_size=world_size, last=last
        )

    ranks = [epoch_of(schedule(rank, world_size, 6 // world_size), 2) for rank in range(world_size)]
    together = [np.concatenate(step) for step in zip(*ranks, strict=True)]
    for ours, alone in zip(together, epoch_of(schedule(0, 1, 6), 2), strict=True):
        np.testing.assert_array_equal(ours, alone)


@pytest.mark.parametrize("world_size", [1, 3, 8])
@pytest.mark.parametrize("count", [1, 7, 24, 25, 31])
def test_ragged_gives_every_record_once_and_equal_steps(count, world_size):
    ranks = [
        epoch_of(
            Schedule(
                count=count,
                batch_size=4,
                rank=rank,
                world_size=world_size,
                order="sequential",
                last="ragged",
            )
        )
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    records = np.concatenate([batch for batches in ranks for batch in batches])
    assert sorted(records.tolist()) == list(range(count))
    for step in zip(*ranks, strict=True):
        lengths = [len(batch) for batch in step]
        assert max(lengths) - min(lengths) <= 1
    if world_size == 1:
        np.testing.assert_array_equal(records, np.arange(count))


def test_drop_leaves_out_the_tail_of_each_epoch():
    schedule = Schedule(count=23, batch_size=5, seed=1)
    left_out = set()
    for epoch in range(40):
        records = np.concatenate(epoch_of(schedule, epoch))
        np.testing.assert_array_equal(records, shuffled(23, seed=1, epoch=epoch)[:20])
        left_out |= set(range(23)) - set(records.tolist())
    assert left_out == set(range(23))


def test_wrap_fills_up_with_the_epoch_s_first_records():
    order = shuffled(23, seed=1, epoch=4)
    batches = epoch_of(Schedule(count=23, batch_size=5, seed=1, last="wrap"), 4)
    np.testing.assert_array_equal(np.concatenate(batches), np.concatenate([order, order[:2]]))
    few = epoch_of(Schedule(count=2, batch_size=5, last="wrap", order="sequential"))
    assert few[0].tolist() == [0, 1, 0, 1, 0]


def test_block_order_shuffles_within_groups_of_blocks():
    count = 3 * BLOCK * GROUP
    order = block_shuffled(count, seed=0, epoch=1)
    groups = np.split(order // BLOCK, 3)
    blocks = [set(group.tolist()) for group in groups]
    assert [len(group) for group in blocks] == [GROUP] * 3
    assert set.union(*blocks) == set(range(3 * GROUP))
    in_a_batch = [
        len(np.unique(batch)) for group in groups for batch in np.split(group, BLOCK // 4)
    ]
    assert 62 < np.mean(in_a_batch) < 63.5
    assert (block_shuffled(count, seed=0, epoch=2) != order).mean() > 0.99


@pytest.mark.parametrize("count", [1, 255, 257, BLOCK * GROUP + 1, 50_000])
def test_block_order_has_every_record_once(count):
    order = block_shuffled(count, seed=0, epoch=1)
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_block_order_never_changes():
    order = block_shuffled(1000, seed=5, epoch=2)
    assert order[:8].tolist() == [
        673,
        765,
        625,
        741,
        190,
        711,
        325,
        54,
    ]


def test_wrong_numbers_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"rank is 2; allowed are integers from 0 to 1"):
        Schedule(count=10, batch_size=2, rank=2, world_size=2)
    with pytest.raises(ValueError, match=r"batch_size is 0; allowed are integers from 1"):
        Schedule(count=10, batch_size=0)
    with pytest.raises(ValueError, match=r"10 records do not fill one batch of 6 on each"):
        Schedule(count=10, batch_size=6, world_size=2)
    with pytest.raises(ValueError, match=r"order is 'random'; allowed are shuffled, block"):
        Schedule(count=10, batch_size=2, order="random")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"last is 'keep'; allowed are drop, wrap, ragged"):
        Schedule(count=10, batch_size=2, last="keep")  # type: ignore[arg-type]
