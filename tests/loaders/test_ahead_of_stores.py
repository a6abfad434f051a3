"""What is asked of a store, and when: early, in few requests, and never too much at a time."""

import itertools
import operator
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import store_kit

from imnet_data import Dataset, TrainRecipe, open_loader
from imnet_data.loaders import read_ahead, remote_ahead, remote_blocks, remote_ranges, schedule
from imnet_data.loaders.batch import Batch
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.remote_ranges import WARMERS
from imnet_data.loaders.schedule import shuffled_blocks

Found = TypeVar("Found")

BLOCK, BATCH = 8, 16


def set_blocks(patch: pytest.MonkeyPatch, *, block: int, group: int) -> None:
    for module in (schedule, read_ahead, remote_ahead, remote_blocks):
        patch.setattr(module, "BLOCK", block)
        patch.setattr(module, "GROUP", group)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of 4 blocks, so that 148 records have several."""
    set_blocks(monkeypatch, block=BLOCK, group=4)


@pytest.fixture
def slow(front: store_kit.Front) -> store_kit.Front:
    """A store that is 20 ms and 2 MB/s away."""
    front.latency_seconds, front.nbytes_per_second = 0.02, 2e6
    return front


def opened(url: str, cache: Path, *, order: schedule.Order, size: int | None = None) -> CpuLoader:
    recipe = TrainRecipe(size=32)
    loader = open_loader(
        url, recipe, batch_size=BATCH, order=order, threads=1, cache=cache, cache_size=size
    )
    assert isinstance(loader, CpuLoader)
    return loader


def begins_of_blocks(dataset: Dataset) -> dict[tuple[str, int], int]:
    """Return which block each request is for: by shard, and by the place of a first record."""
    index, found = dataset.index, {}
    for first in range(0, len(dataset), BLOCK):
        shards = index.shard[first : first + BLOCK]
        for shard in np.unique(shards):
            row = first + int(np.flatnonzero(shards == shard)[0])
            name = dataset.split_description.shards[shard].name
            found[name, int(index.offset[row])] = first // BLOCK
    return found


def until(found: Callable[[], Found], holds: Callable[[Found], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds(found()):
        assert time.monotonic() < deadline, "it has not come"
        time.sleep(0.005)


@pytest.mark.usefixtures("small_blocks")
def test_blocks_of_the_next_group_are_asked_for_while_one_is_in_use_and_each_once(
    in_store: dict[str, str], made: dict[str, Path], slow: store_kit.Front, tmp_path: Path
) -> None:
    with Dataset.open(made["webdataset"], "train") as dataset:
        begins = begins_of_blocks(dataset)
        blocks = shuffled_blocks(len(dataset), seed=0)
    groups = [set(blocks[first : first + 4].tolist()) for first in range(0, len(blocks), 4)]
    assert len(groups) == 5
    counts = [min(BLOCK, len(dataset) - block * BLOCK) for block in blocks]
    group_of_place = np.repeat(np.arange(len(blocks)) // 4, counts)

    def asked() -> list[int]:
        return [begins[path.rpartition("/")[2], start] for path, start, _ in slow.ranges]

    with opened(in_store["webdataset"], tmp_path, order="block") as loader:
        slow.ranges.clear()
        under_way = loader._batches_ahead
        for step, _ in enumerate(loader.epoch(0)):
            last_place = min(step + 1 + under_way, len(loader)) * BATCH - 1
            due = set().union(*groups[: group_of_place[last_place] + 2])
            until(asked, due.issubset)  # without another batch being taken
            assert {*asked()} == due  # and no more than this
        assert sorted(begins[key] for key in begins) == sorted(asked())
        slow.ranges.clear()
        assert list(loader.epoch(1))
        assert not slow.ranges


@pytest.mark.parametrize("last", ["wrap", "ragged"])
@pytest.mark.usefixtures("small_blocks")
def test_batches_of_several_groups_are_those_from_the_disk(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    last: schedule.Last,
) -> None:
    def batches(root: str | Path, cache: Path | None, rank: int) -> list[Batch]:
        with open_loader(
            root,
            TrainRecipe(size=32),
            batch_size=11,
            order="block",
            last=last,
            threads=1,
            cache=cache,
            rank=rank,
            world_size=2,
        ) as loader:
            found = [batch for each in ((0, 2), (1, 0)) for batch in epoch_of(loader, *each)]
        assert len(found) == 2 * len(loader) - 2
        return found

    for rank in range(2):
        store = batches(in_store["webdataset"], tmp_path, rank)
        disk = batches(made["webdataset"], None, rank)
        assert all(
            np.array_equal(have.indices, want.indices) and np.array_equal(have.images, want.images)
            for have, want in zip(store, disk, strict=True)
        )


def epoch_of(loader: CpuLoader, number: int, start: int) -> Iterator[Batch]:
    for batch in loader.epoch(number, start=start):
        yield batch._replace(images=batch.images.copy())


def test_a_cache_of_blocks_keeps_its_share_of_a_dataset(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If those last used longest ago went first, it would keep 0.19 of this one, not 0.31."""
    set_blocks(monkeypatch, block=4, group=1)
    with Dataset.open(made["webdataset"], "train") as dataset:
        sizes = np.add.reduceat(dataset.index.nbytes, np.arange(0, len(dataset), 4))
    size = int(sizes.sum() * 0.5)
    kept = (size - np.sort(sizes)[-6:].sum()) / sizes.sum()  # without the groups in use
    assert kept > 0.2
    with opened(in_store["webdataset"], tmp_path, order="block", size=size) as loader:
        asked = []
        for epoch in range(5):
            front.ranges.clear()
            assert list(loader.epoch(epoch))
            asked.append(asked_nbytes(front))
    files = [path for path in (tmp_path / "shards").rglob("*") if path.is_file()]
    assert size / 2 < sum(path.stat().st_size for path in files) <= size
    assert np.mean(asked[1:]) <= asked[0] * (1 - kept)


@pytest.mark.parametrize(("order", "most"), [("shuffled", 6 + WARMERS), ("block", 3)])
@pytest.mark.usefixtures("small_blocks")
def test_no_more_connections_are_open_than_threads_read(
    in_store: dict[str, str],
    slow: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order: schedule.Order,
    most: int,
) -> None:
    monkeypatch.setattr(remote_ranges, "_SMALL_NBYTES", 0)
    monkeypatch.setattr(remote_ahead, "READERS", 6)
    monkeypatch.setattr(remote_ahead, "_BLOCKS", 3)
    with opened(in_store["webdataset"], tmp_path, order=order) as loader:
        until(lambda: slow.connections.now, operator.not_)  # of the process that opened it
        slow.connections.most = slow.under_way.most = 0
        assert list(loader.epoch(0))
    assert most // 2 < slow.under_way.most <= most
    assert slow.connections.most <= 2 * most  # one may be made while another becomes free


def test_no_more_is_read_ahead_than_memory_is_given_for(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Dataset.open(made["webdataset"], "train") as dataset:
        nbytes = dataset.index.nbytes
    monkeypatch.setattr(remote_ranges, "_MOST_NBYTES", int(2.5 * BATCH * nbytes.mean()))
    monkeypatch.setattr("imnet_data.storage.ranges.GAP_NBYTES", 0)
    with opened(in_store["webdataset"], tmp_path, order="shuffled", size=1) as loader:
        front.ranges.clear()
        order = loader.schedule.epoch_order(0)
        for step, _ in enumerate(loader.epoch(0)):
            batches = min(step + 1 + loader._batches_ahead + 2, len(loader))
            due = int(nbytes[order[: batches * BATCH]].sum())
            until(lambda: asked_nbytes(front), due.__le__)  # without another being taken
            assert asked_nbytes(front) == due


@pytest.mark.parametrize("order", ["shuffled", "block"])
def test_no_byte_of_a_small_dataset_comes_twice(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path, order: schedule.Order
) -> None:
    with opened(in_store["webdataset"], tmp_path, order=order) as loader:
        front.ranges.clear()
        assert list(loader.epoch(0))
        assert list(loader.epoch(1))
    asked = sorted(front.ranges)
    assert len({path for path, *_ in asked}) > 2
    for (path, _, stop), (after, start, _) in itertools.pairwise(asked):
        assert path != after or stop <= start


def asked_nbytes(front: store_kit.Front) -> int:
    return sum(stop - start for _, start, stop in front.ranges)
