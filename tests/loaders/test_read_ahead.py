"""What is read ahead, how much of it, and what comes of it: nothing but time."""

import os
import platform
import shutil
import tempfile
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
from imnet_data.loaders import read_ahead
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.machine import limits
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
    direct = np.zeros(count, np.bool_)
    return ahead.add(
        stream, files, offsets, np.array(sizes, np.int64), [path] * count, direct, False
    )


def test_no_more_is_asked_for_than_the_window_until_records_are_taken(ahead):
    stream = ahead.open(True)
    add(ahead, stream, [MIB] * 10)
    assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    for number in range(6):
        stream.take(number)
        assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    for left, number in zip((3, 2, 1, 0), range(6, 10), strict=True):
        stream.take(number)
        assert ahead.ahead_nbytes == left * MIB


def test_what_was_read_before_it_was_asked_for_is_left_out(ahead):
    stream = ahead.open(True)
    add(ahead, stream, [4 * MIB, 3 * MIB, MIB])
    assert until(lambda: ahead.ahead_nbytes == 4 * MIB)
    stream.take(1)
    stream.take(0)
    assert until(lambda: ahead.ahead_nbytes == MIB)


def test_a_record_larger_than_the_window_is_asked_for_alone(ahead):
    stream = ahead.open(True)
    add(ahead, stream, [MIB, 9 * MIB, MIB])
    assert until(lambda: ahead.ahead_nbytes == MIB)
    stream.take(0)
    assert until(lambda: ahead.ahead_nbytes == 9 * MIB)
    stream.take(1)
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


def test_files_are_given_back_when_all_of_a_call_was_asked_for_and_taken(ahead):
    stream = ahead.open(True)
    assert add(ahead, stream, [MIB] * 3) == 0
    assert until(lambda: ahead.ahead_nbytes == 3 * MIB)
    stream.take(0)
    stream.take(2)
    assert add(ahead, stream, [MIB]) == 0
    stream.take(1)
    stream.take(3)
    assert add(ahead, stream, [MIB]) == 2


def test_where_all_is_in_memory_one_record_of_eight_is_asked_for(ahead, tmp_path):
    if tuple(int(part) for part in platform.release().split(".")[:2]) < (6, 5):
        pytest.skip("Linux before 6.5 does not say what is in the page cache")
    (tmp_path / "file").write_bytes(bytes(4096))
    stream = ahead.open(True)
    add(ahead, stream, [4096] * 1000, os.fsencode(tmp_path / "file"))
    assert until(lambda: ahead.ahead_nbytes >= 340 * 4096)
    assert settled(lambda: ahead.ahead_nbytes) < 360 * 4096  # 256, and an eighth of the others
    (tmp_path / "other").write_bytes(bytes(4096))
    with (tmp_path / "other").open("rb") as file:
        os.fsync(file.fileno())
    drop(tmp_path / "other")
    add(ahead, stream, [4096] * 100, os.fsencode(tmp_path / "other"))
    assert until(lambda: ahead.ahead_nbytes > 360 * 4096)


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
def test_all_of_a_small_dataset_is_read_while_its_first_batch_is_held(
    made, kind, order, monkeypatch
):
    monkeypatch.setattr(read_ahead, "_FAR", 1 << 40)  # leave nothing to the system
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


@pytest.fixture
def little_memory(monkeypatch):
    """A machine whose memory holds no dataset, so that next to nothing goes through the cache."""
    monkeypatch.setattr(limits, "memory_nbytes", lambda: 1000)


def epoch_of(root, number=0, **options):
    with imnet_data.open_loader(root, TrainRecipe(size=32), batch_size=4, **options) as loader:
        return [*loader.epoch(number)]


@pytest.mark.parametrize("kind", ["webdataset", "lmdb", "beton", "folder"])
@pytest.mark.parametrize("order", ["shuffled", "sequential"])
def test_a_dataset_that_memory_cannot_hold_has_the_same_batches(made, kind, order, monkeypatch):
    expected = epoch_of(made[kind], order=order)
    monkeypatch.setattr(limits, "memory_nbytes", lambda: 1000)
    cold(made[kind])
    for batch, other in zip(epoch_of(made[kind], order=order), expected, strict=True):
        assert np.array_equal(batch.images, other.images)
        assert np.array_equal(batch.labels, other.labels)


def test_dali_is_given_the_same_of_a_dataset_that_memory_cannot_hold(made, monkeypatch):
    pytest.importorskip("nvidia.dali", reason="DALI is not installed")
    for kind in ("webdataset", "folder"):
        expected = epoch_of(made[kind], decoder="dali")
        with monkeypatch.context() as patched:
            patched.setattr(limits, "memory_nbytes", lambda: 1000)
            cold(made[kind])
            for batch, other in zip(epoch_of(made[kind], decoder="dali"), expected, strict=True):
                assert np.array_equal(batch.images, other.images)


def from_storage(root: Path, epoch: int) -> int:
    """Return the bytes that an epoch fetches from storage."""
    watch = Watch()
    epoch_of(root, epoch)
    return watch.storage_nbytes() or 0


@pytest.mark.parametrize("kind", ["webdataset", "folder"])
def test_half_of_a_dataset_twice_as_large_stays_in_memory(made, kind, monkeypatch):
    nbytes = cold(made[kind])
    monkeypatch.setattr(limits, "memory_nbytes", lambda: nbytes)
    first = from_storage(made[kind], 0)
    assert first > 0.9 * nbytes
    assert 0.2 * first < from_storage(made[kind], 1) < 0.8 * first
    monkeypatch.setattr(limits, "memory_nbytes", lambda: 2 * nbytes)
    epoch_of(made[kind], 2)
    assert from_storage(made[kind], 3) < 0.1 * first


@pytest.mark.usefixtures("little_memory")
def test_records_that_are_in_memory_all_the_same_are_not_read_again(made):
    cold(made["webdataset"])
    for path in (made["webdataset"] / "train").iterdir():
        path.read_bytes()
    assert from_storage(made["webdataset"], 0) == 0


@pytest.mark.usefixtures("little_memory")
def test_a_file_system_in_memory_does_as_well(made):
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no /dev/shm that can be written to")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        root = shutil.copytree(made["webdataset"], Path(folder) / "copy")
        batches = epoch_of(root)
    assert all(
        np.array_equal(batch.images, other.images)
        for batch, other in zip(batches, epoch_of(made["webdataset"]), strict=True)
    )


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("kind", ["webdataset", "folder"])
def test_a_file_that_is_cut_short_is_the_same_error_past_the_cache(made, tmp_path, kind):
    root = shutil.copytree(made[kind], tmp_path / kind)
    with Dataset.open(root) as dataset:
        (file,) = dataset.files_of(np.array([0]))
        os.truncate(file, int(dataset.index.offset[0] + dataset.index.nbytes[0] - 1))
    cold(root)
    with pytest.raises(FormatError, match=r"needed are \d+ bytes, but the file ends at \d+"):
        epoch_of(root)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("nbytes", [-1, 1 << 45, (1 << 63) - 1])
def test_an_index_that_claims_any_size_is_an_error_and_is_not_waited_for(extents, nbytes):
    sizes = extents.nbytes.copy()
    sizes[20] = nbytes
    for order in ("shuffled", "block"):
        schedule = Schedule(count=23, batch_size=4, order=order, last="ragged")
        with (
            CpuLoader(extents._replace(nbytes=sizes), TrainRecipe(size=32), schedule) as loader,
            pytest.raises(FormatError, match=r"record 20"),
        ):
            list(loader.epoch(0))
