import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import bench_kit
import numpy as np
import pytest

from imnet_data.bench import machine, measurement, names, reading, roofline, rounds, stages
from imnet_data.bench.loading import Loading
from imnet_data.bench.measurement import Done
from imnet_data.bench.options import BenchOptions
from imnet_data.bench.reading import Reading
from imnet_data.bench.sample import CHECKED, Sample, some, work_of
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError, FormatError

TINY = BenchOptions(threads=(1, 2), batch_size=8, size=32, seconds=0.01, repeats=2)


@pytest.fixture(scope="module")
def report(root, other_roots):
    return rounds.measure([root, *other_roots], TINY)


@pytest.fixture
def sample(root):
    with Dataset.open(root) as dataset:
        work = work_of(dataset, batch_size=8, size=32)
        yield Sample(dataset, work, reading.hashes_of(dataset, work))


def test_every_stage_is_timed_and_checked_in_each_repeat(report):
    assert report.datasets
    for dataset in report.datasets:
        assert dataset.measurements
        for one in dataset.measurements:
            assert len(one.repeats) == TINY.repeats, one.name
            assert one.checked == TINY.repeats * CHECKED, one.name
            assert all(repeat.images % 8 == 0 < repeat.images for repeat in one.repeats)
            assert one.images_per_second > 0
            assert one.batch_percentile(50) <= one.batch_percentile(99)


def test_what_is_not_measured_has_its_reason(report):
    webdataset, folder, raw = report.datasets
    assert names.MODEL in webdataset.skipped
    assert names.CUT not in webdataset.skipped
    assert folder.skipped[names.CUT] == "the images have no restart markers"
    assert (raw.pixels, raw.seekable) == (raw.sampled, 0)


def test_stages_come_in_turn(root):
    seen = []
    options = BenchOptions(threads=(1,), batch_size=8, size=32, seconds=0.001, repeats=2)
    rounds.measure([root], options, progress=lambda step: seen.append(step.task))
    first, second = [
        [task.partition(": ")[2] for task in seen if task.startswith(f"round {turn} ")]
        for turn in (1, 2)
    ]
    assert first == second
    assert len(set(first)) == len(first) == 12


def test_a_batch_that_does_not_fit_is_the_callers_mistake(root):
    options = BenchOptions(batch_size=25, seconds=0.01)
    with pytest.raises(ValueError, match="do not fill one batch of 25"):
        rounds.measure([root], options)


def test_the_stages_give_what_the_loader_gives(sample):
    """The claim that the sum of the stages rests on: both work on the same images and boxes."""
    resized = stages.resizing(sample)
    with contextlib.closing(resized.batches()) as batches:
        next(batches)
    loading = Loading(sample.dataset, sample.work, kind="cpu", threads=1, seconds=0.01)
    with contextlib.closing(loading.batches()) as batches:
        next(batches)
    images = loading.last_batch.images
    assert np.array_equal(images, np.stack([resized._last[position] for position in range(8)]))


def test_a_stage_that_gives_wrong_pixels_is_an_error(sample):
    decode = stages.decoding(sample)
    decode._work = lambda position: stages.pixels_of(sample, position) ^ 1
    measurement.repeat(decode, seconds=0.001)
    with pytest.raises(EvaluationError, match=r"decode \(of the crop\): .* came out wrong"):
        decode.check()


def test_a_cut_that_is_elsewhere_is_an_error(sample):
    cut, right = stages.cutting(sample), stages.cutting(sample)

    def shifted(position):
        made = right._work(position)
        if made is None:  # of an image that cannot be cut
            return None
        content, (left, upper, right_edge, lower) = made
        return content, (left + 1, upper, right_edge + 1, lower)

    cut._work = shifted
    measurement.repeat(cut, seconds=0.001)
    with pytest.raises(EvaluationError, match="cut"):
        cut.check()


def test_a_loader_that_gives_wrong_pixels_labels_or_records_is_an_error(sample):
    loading = Loading(sample.dataset, sample.work, kind="cpu", threads=1, seconds=0.01)
    measurement.repeat(loading, seconds=0.001)
    epoch, step, batch = loading._last
    assert loading.check() == CHECKED
    for wrong, what in (
        (batch._replace(images=batch.images ^ 1), "other pixels"),
        (batch._replace(labels=batch.labels + 1), "other labels"),
        (batch._replace(indices=batch.indices[::-1]), "other records"),
    ):
        loading._last = epoch, step, wrong
        with pytest.raises(EvaluationError, match=f"gave {what}.* its time means nothing"):
            loading.check()


def test_bytes_that_are_not_the_manifests_are_an_error(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    with Dataset.open(copy) as dataset:
        index = dataset.index
        for number in range(len(dataset)):
            with dataset.shard_paths[index.shard[number]].open("r+b") as file:
                file.seek(int(index.offset[number] + index.nbytes[number] // 2))
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 1]))
    with pytest.raises(FormatError, match=r"sha256 of its bytes is not .*; run `imnet-data verify"):
        rounds.measure([copy], TINY)


def reading_of(dataset, **how):
    work = work_of(dataset, batch_size=8, size=32)
    return Reading(dataset, work, reading.hashes_of(dataset, work), **how)


@pytest.mark.parametrize("in_epoch_order", [True, False])
def test_cold_is_said_only_where_the_bytes_came_from_storage(root, in_epoch_order):
    with Dataset.open(root) as dataset:
        stage = reading_of(dataset, in_epoch_order=in_epoch_order, is_cold=True, threads=2)
        told = measurement.measurement_of(stage)
        told.repeats.append(measurement.repeat(stage, seconds=1))
        (repeat,) = told.repeats
        assert repeat.images == 24  # one pass, as a second one would be warm
        came = repeat.storage_nbytes
        assert (told.cache == "cold") == (came is not None and came >= 0.9 * repeat.nbytes)
        stage.check()


@pytest.fixture
def memory():
    """A folder on a file system that lives in memory, where no cache can be dropped."""
    shared = Path("/dev/shm")
    if not (machine.storage(shared) or "").startswith("tmpfs") or not os.access(shared, os.W_OK):
        pytest.skip("/dev/shm is no file system in memory that can be written to")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_cold_reads_whose_cache_was_not_dropped_are_told_to_be_warm(root, memory):
    with Dataset.open(shutil.copytree(root, memory / "copy")) as dataset:
        stage = reading_of(dataset, in_epoch_order=True, is_cold=True, threads=1)
        told = measurement.measurement_of(stage)
        told.repeats.append(measurement.repeat(stage, seconds=1))
    assert told.cache == "warm (cache could not be dropped)"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.05, "warm"),
        (0.4, "40% from storage"),
        (10.05, "from storage, 10.1 times the bytes with read-ahead"),
    ],
)
def test_what_should_be_warm_and_was_not_is_told(share, words):
    told = bench_kit.measurement("read", 100, cpu=1e-3, is_cold=False, storage=share)
    assert told.cache == words


@pytest.mark.parametrize("kind", ["folder", "raw"])
def test_files_that_are_dropped_are_those_that_are_read(other_roots, kind):
    (root,) = [path for path in other_roots if path.name == kind]
    with Dataset.open(root) as dataset:
        files = dataset.files_of(np.arange(3))
        assert len(set(files)) == (3 if kind == "folder" else 1)
        assert all(path.is_file() for path in files)


@pytest.mark.slow
def test_dali_is_held_against_pillow_and_nothing_is_expected_of_it(root):
    pytest.importorskip("nvidia.dali", reason="DALI is not installed")
    options = BenchOptions(
        loader="dali", threads=(1,), batch_size=8, size=32, seconds=0.01, repeats=1
    )
    (told,) = rounds.measure([root], options).datasets
    batches = told.find("batches (dali)")
    assert batches is not None
    assert batches.checked == CHECKED
    assert roofline.predicted(told, cores=2) == []


class Sleeping:
    """A stage of a known speed: 4 images in 10 ms, without CPU time; slow before the first."""

    name, threads, takes, is_cold = "sleeping", 1, "nothing", None

    def prepare(self):
        time.sleep(0.5)
        self.prepared_at = time.perf_counter()

    def batches(self):
        time.sleep(0.05)
        self.opened_at = time.perf_counter()
        while True:
            time.sleep(0.01)
            yield Done(4, 1000)

    def check(self):
        return 4


def test_opening_and_preparing_are_not_in_the_speed():
    stage = Sleeping()
    repeat = measurement.repeat(stage, seconds=0.1)
    ended_at = time.perf_counter()
    told = measurement.measurement_of(stage)
    told.repeats.append(repeat)
    assert repeat.first_batch_seconds >= 0.06
    assert repeat.first_batch_seconds + repeat.seconds <= ended_at - stage.prepared_at
    assert repeat.seconds <= ended_at - stage.opened_at
    assert told.images_per_second <= 400
    assert told.images_per_second == repeat.images / repeat.seconds
    assert repeat.images == 4 * len(repeat.batch_seconds)
    assert told.cpu_seconds_per_image < repeat.seconds / repeat.images  # which is mostly slept


@pytest.mark.parametrize("count", [1, 3, CHECKED, 64, 100])
def test_what_is_checked_lies_evenly_and_has_the_last_image(count):
    positions = list(some(count))
    assert len(set(positions)) == min(count, CHECKED)
    assert positions[-1] == count - 1
    assert min(positions) >= 0
