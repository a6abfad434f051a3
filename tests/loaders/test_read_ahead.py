"""What is read ahead, how much of it, and what comes of it: nothing but time."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

import imnet_data
from imnet_data import TrainRecipe
from imnet_data.bench.machine import Watch
from imnet_data.bench.reading import drop
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import FormatError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.native import _native

MIB = 1 << 20


def until(holds):
    """Wait until something holds, for 20 seconds at most; return whether it does."""
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


def settled(number):
    """Return a number as soon as it has not changed for 0.1 s."""
    last, since = number(), time.monotonic()
    while time.monotonic() < since + 0.1:
        time.sleep(0.005)
        if number() != last:
            last, since = number(), time.monotonic()
    return last


@pytest.fixture
def ahead():
    reading = _native.ReadAhead(4 * MIB, 2)
    yield reading
    reading.close()


def add(ahead, stream, sizes, path=b"/dev/null"):
    count = len(sizes)
    files, offsets = np.full(count, -1, np.int32), np.zeros(count, np.int64)
    return ahead.add(stream, files, offsets, np.array(sizes, np.int64), [path] * count)


def test_no_more_is_asked_for_than_the_window_until_records_are_passed(ahead):
    stream = ahead.open(True)
    add(ahead, stream, [MIB] * 10)
    assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    for number in range(6):
        stream.passed(number)
        assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    for left, number in zip((3, 2, 1, 0), range(6, 10), strict=True):
        stream.passed(number)
        assert ahead.ahead_nbytes == left * MIB


def test_what_was_read_before_it_was_asked_for_is_left_out(ahead):
    stream = ahead.open(True)
    add(ahead, stream, [4 * MIB, 3 * MIB, MIB])
    assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    stream.passed(1)
    stream.passed(0)
    assert until(lambda: ahead.ahead_nbytes == MIB)


def test_a_record_larger_than_the_window_is_asked_for_alone(ahead):
    stream = ahead.open(True)
    add(ahead, stream, [MIB, 9 * MIB, MIB])
    assert until(lambda: ahead.ahead_nbytes == MIB)
    stream.passed(0)
    assert until(lambda: ahead.ahead_nbytes == 9 * MIB)
    stream.passed(1)
    assert until(lambda: ahead.ahead_nbytes == MIB)


def test_epochs_of_a_loader_share_the_window_and_give_it_back(ahead):
    first, second = ahead.open(True), ahead.open(True)
    add(ahead, first, [MIB] * 3)
    assert until(lambda: ahead.ahead_nbytes == 3 * MIB)
    add(ahead, second, [MIB] * 5)
    assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    ahead.end(first)
    assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    ahead.end(second)
    assert ahead.ahead_nbytes == 0


def test_files_are_given_back_when_all_of_a_call_was_asked_for_and_passed(ahead):
    stream = ahead.open(True)
    assert add(ahead, stream, [MIB] * 3) == 0
    assert until(lambda: ahead.ahead_nbytes == 3 * MIB)
    stream.passed(0)
    stream.passed(2)
    assert add(ahead, stream, [MIB]) == 0
    stream.passed(1)
    stream.passed(3)
    assert add(ahead, stream, [MIB]) == 2


def test_files_that_cannot_be_asked_for_hinder_nothing(ahead, tmp_path):
    stream = ahead.open(True)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe"):
        add(ahead, stream, [MIB], os.fsencode(path))
    assert until(lambda: ahead.ahead_nbytes == 3 * MIB)


def cold(root: Path, split: str = "train") -> int:
    """Empty the page cache of a dataset; return the bytes of its records, or skip."""
    with Dataset.open(root, split) as dataset:
        files = dataset.files_of(np.arange(len(dataset)))
        for path in files:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            drop(path)
        watch = Watch()
        files[0].read_bytes()
        if not watch.storage_nbytes():
            pytest.skip("the page cache of the folder of the tests cannot be emptied")
        drop(files[0])
        return int(dataset.index.nbytes.sum())


@pytest.mark.parametrize("kind", ["webdataset", "lmdb", "folder"])
@pytest.mark.parametrize("order", ["shuffled", "block", "sequential"])
def test_all_of_a_small_dataset_is_read_while_its_first_batch_is_held(made, kind, order):
    nbytes = cold(made[kind])
    with imnet_data.open_loader(
        made[kind], TrainRecipe(size=32), batch_size=2, order=order, threads=1
    ) as loader:
        watch = Watch()
        batches = loader.epoch(0)
        next(batches)
        assert until(lambda: (watch.storage_nbytes() or 0) >= nbytes)
        read = settled(watch.storage_nbytes)
        assert len(list(batches)) > 3
        assert watch.storage_nbytes() == read


def test_a_file_that_is_missing_is_an_error_of_its_batch_and_not_of_those_before(extents):
    schedule = Schedule(count=23, batch_size=4, order="sequential")
    extents.shard_paths[1].unlink()  # of records 12 to 22
    with CpuLoader(extents, TrainRecipe(size=32), schedule, batches_ahead=1) as loader:
        batches = loader.epoch(0)
        assert [next(batches).indices[0] for _ in range(2)] == [0, 4]
        with pytest.raises(FormatError, match=r"shard-1: cannot be opened"):
            list(batches)


def test_a_file_of_one_record_must_hold_nothing_else(made, tmp_path):
    root = shutil.copytree(made["folder"], tmp_path / "folder")
    longer = sorted((root / "train").glob("*/*.JPEG"))[0]
    longer.write_bytes(longer.read_bytes() + b"\0")
    with (
        imnet_data.open_loader(root, TrainRecipe(size=32), batch_size=2) as loader,
        pytest.raises(FormatError, match=rf"{longer.name} at 0: the file has \d+ bytes, not \d+"),
    ):
        list(loader.epoch(0))
