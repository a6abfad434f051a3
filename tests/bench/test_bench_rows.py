"""Rows beside the warm loader: from storage, with think time, to validate, side by side."""

import contextlib
import dataclasses
import time
from typing import Any

import numpy as np
import pytest
from bench_kit import measurement as measurement_of

from imnet_data.bench import names, ranks, rounds, text
from imnet_data.bench.cold import ColdLoading
from imnet_data.bench.loading import Loading
from imnet_data.bench.measurement import Repeat, repeat
from imnet_data.bench.options import BenchOptions
from imnet_data.bench.reading import Reading, hashes_of
from imnet_data.bench.sample import work_of
from imnet_data.bench.thinking import Thinking
from imnet_data.bench.validation import Validating
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.machine.progress import no_progress


@pytest.fixture
def opened(root):
    with Dataset.open(root) as dataset:
        yield dataset, work_of(dataset, batch_size=4, size=32)  # six batches


def test_what_dali_allocates_ahead_on_a_gpu_is_in_the_report(opened):
    dataset, _ = opened
    said = rounds.dali_memory_of(dataset, threads=64)
    areas = dataset.index.width.astype(int) * dataset.index.height
    largest = int(areas.argmax())
    assert "MB on the GPU and" in said
    assert "of 8 threads" in said
    width, height = dataset.index.width[largest], dataset.index.height[largest]
    assert said.endswith(f"for images up to {width} x {height} pixels")
    quick = BenchOptions(batch_size=4, size=32, seconds=0.002, repeats=1)
    (report,) = rounds.measure([dataset.root], quick).datasets
    assert "allocates" not in text.dataset_headline(report)  # nothing, on the CPU
    report.dali_memory = said
    assert text.dataset_headline(report).endswith(f"; DALI allocates ahead {said}")


def test_the_model_is_stepped_as_it_is_trained_fast(opened):
    torch: Any = pytest.importorskip("torch", reason="models are torch's")
    from imnet_data.bench import device

    dataset, work = opened
    options = BenchOptions(batch_size=4, size=32, model="resnet10", seconds=0.002)
    model: Any = device.Model(options, class_count=3)
    switches: list[bool] = []
    model._learner._trained.register_forward_hook(
        lambda *_: switches.append(torch.backends.cudnn.benchmark)
    )
    loading = Loading(dataset, work, kind="torch", threads=1, seconds=0.002, channels_last=True)
    for stage in (
        device.ModelStep(model, work, class_count=3),
        device.TrainingStep(model, loading),
    ):
        with contextlib.closing(stage.batches()) as batches:
            next(batches)
            stage.check()
    assert model._learner.model.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert loading.last_batch.images.is_contiguous(memory_format=torch.channels_last)
    assert switches == [True, True]
    assert not torch.backends.cudnn.benchmark


def taken(stage, count):
    """Return the records of `count` batches of a new repeat."""
    stage.prepare()
    with contextlib.closing(stage.batches()) as batches:
        found = []
        for _ in range(count):
            next(batches)
            found += stage.last_batch.indices.tolist()
    return found


def test_repeats_of_cold_batches_take_other_records(opened):
    dataset, work = opened
    stage = ColdLoading(dataset, work, kind="cpu", threads=1, seconds=0.01)
    assert stage.name == "batches, cold (cpu)"
    first, second, third = taken(stage, 2), taken(stage, 2), taken(stage, 2)
    assert first + second + third == work.schedule.epoch_order(0).tolist()
    assert stage.check() == 4
    assert taken(stage, 2) == first  # the epoch is at its end


def test_cold_batches_begin_anew_where_one_batch_is_left(opened):
    dataset, work = opened
    stage = ColdLoading(dataset, work, kind="cpu", threads=1, seconds=0.01)
    taken(stage, 5)
    assert repeat(stage, seconds=60).images == 5 * 4  # all but the first, and no batch twice
    assert stage.start == 6


def test_repeats_of_cold_reads_take_other_records(opened):
    dataset, work = opened
    stage = Reading(
        dataset, work, hashes_of(dataset, work), in_epoch_order=True, is_cold=True, threads=1
    )
    seen = []
    for _ in range(6):
        stage.prepare()
        with contextlib.closing(stage.batches()) as batches:
            next(batches)
        seen += stage._last[0].tolist()
    assert seen == work.schedule.epoch_order(0).tolist()


def test_a_dataset_of_one_batch_is_timed_with_its_first_one(root):
    with Dataset.open(root) as dataset:
        work = work_of(dataset, batch_size=24, size=32)
        done = repeat(ColdLoading(dataset, work, kind="cpu", threads=1, seconds=0.01), seconds=0.01)
    assert done.images == 24
    assert done.seconds == pytest.approx(done.first_batch_seconds)


def test_an_accelerator_takes_no_more_than_its_steps(opened):
    dataset, work = opened
    stage = Thinking(dataset, work, kind="cpu", threads=1, seconds=0.01).with_step(0.02)
    done = repeat(stage, seconds=0.2)
    assert done.images / done.seconds <= 4 / 0.02  # sleep never ends early
    assert stage.check() == 4


def test_validation_is_held_against_pillow(opened):
    dataset, work = opened
    stage = Validating(dataset, work, kind="cpu", threads=1, seconds=0.01)
    repeat(stage, seconds=0.01)
    assert stage.name == "validation batches (cpu)"
    assert stage.check() == 4
    epoch, step, batch = stage._last
    stage._last = epoch, step, batch._replace(images=np.asarray(batch.images) ^ 1)
    with pytest.raises(EvaluationError, match="gave other pixels than Pillow"):
        stage.check()


@pytest.mark.parametrize("kind", ["torch", "dali"])
def test_other_loaders_are_measured_from_storage_and_for_validation(root, kind):
    pytest.importorskip({"torch": "torch", "dali": "nvidia.dali"}[kind], reason="not installed")
    options = BenchOptions(
        loader=kind, threads=(1,), batch_size=4, size=32, seconds=0.01, repeats=1
    )
    (report,) = rounds.measure([root], options).datasets
    rows = {(one.name, one.threads): one for one in report.measurements}
    for name, threads in (("batches, cold", 1), ("batches, cold", 2), ("validation batches", 1)):
        row = rows[f"{name} ({kind})", threads]
        assert row.checked == 4
        assert row.is_cold is name.startswith("batches")


@pytest.mark.parametrize("kind", ["torch", "dali"])
def test_other_loaders_that_give_wrong_pixels_for_validation_are_an_error(opened, kind):
    pytest.importorskip({"torch": "torch", "dali": "nvidia.dali"}[kind], reason="not installed")
    dataset, work = opened
    stage = Validating(dataset, work, kind=kind, threads=1, seconds=0.01)
    repeat(stage, seconds=0.01)
    epoch, step, batch = stage._last
    turned = np.asarray(batch.images)[..., ::-1, :]  # upside down, or mirrored
    stage._last = epoch, step, batch._replace(images=torch_or_array(kind, turned))
    with pytest.raises(EvaluationError, match="so its time means nothing"):
        stage.check()


def torch_or_array(kind, array):
    if kind == "dali":
        return array
    import torch

    return torch.from_numpy(array.copy())


def test_ranks_are_measured_side_by_side_and_checked(root):
    options = BenchOptions(batch_size=4, size=32, threads=(2,), seconds=0.01, ranks=2)
    with Dataset.open(root) as dataset, ranks.SideBySide(dataset, options, device="cpu") as stage:
        assert (stage.name, stage.threads) == ("batches, 2 ranks (cpu)", 2)
        done = stage.timed(seconds=0.01)
        assert done.images >= 8
        assert stage.check() == 8
        processes = list(stage._processes)
    assert [process.returncode for process in processes] == [0, 0]


def test_a_rank_that_fails_ends_the_run(root, capfd):
    options = BenchOptions(batch_size=4, size=32, seconds=0.01, ranks=2)
    with Dataset.open(root) as dataset, ranks.SideBySide(dataset, options, device="cpu") as stage:
        stage._asked[1]["split"] = "dev"
        with pytest.raises(EvaluationError, match="a rank ended with status 1"):
            stage.prepare()
    assert "no split 'dev'" in capfd.readouterr().err


def test_speeds_of_ranks_add_up():
    def rank(images, seconds):
        return Repeat(images, images * 10, seconds, 0.5, [0.1], 0.2, 1000, 0, 3.0, 0.25, None)

    both = ranks.together([rank(100, 1.0), rank(300, 2.0)])
    assert both.images / both.seconds == 250
    assert both.cpu_seconds == pytest.approx(1.25)
    assert (both.peak_nbytes, both.first_batch_seconds, both.others_cores) == (2000, 0.2, None)
    assert both.core_wait_seconds == 0.5


def test_only_what_is_not_precise_is_repeated_more():
    wide, precise = (0.9, 1.0, 1.0, 1.0, 1.1), (0.99, 1.0, 1.0, 1.0, 1.01)
    five, two = BenchOptions(), BenchOptions(repeats=2)
    loader = measurement_of("batches (cpu)", 1000, cpu=1e-3, speeds=wide)
    assert rounds.is_wide(loader, five)
    assert not rounds.is_wide(loader, two)
    assert not rounds.is_wide(measurement_of("hash (sha256)", 1000, cpu=1e-3, speeds=wide), five)
    assert not rounds.is_wide(measurement_of("batches (cpu)", 1, cpu=1, speeds=precise), five)


def test_repeats_are_added_until_all_is_precise_or_the_time_is_up(opened):
    dataset, work = opened
    options = BenchOptions(threads=(1,), batch_size=4, size=32, seconds=0.002, repeats=5)
    stage = Loading(dataset, work, kind="cpu", threads=1, seconds=0.002)
    one = measurement_of("batches (cpu)", 1000, cpu=1e-3, speeds=(0.5, 1.0, 1.0, 1.0, 1.5))
    rounds._extend([(one, stage)], options, time.monotonic() - 3600, no_progress)
    assert len(one.repeats) == 5
    rounds._extend([(one, stage)], options, time.monotonic() + 3600, no_progress)
    assert 5 < len(one.repeats) <= 50
    assert not rounds.is_wide(one, options)
    assert one.checked == 8 + 4 * (len(one.repeats) - 5)


def test_a_target_adds_its_row_and_says_why_not(root):
    quick = BenchOptions(
        threads=(1,), batch_size=8, size=32, seconds=0.01, repeats=1, target=10_000
    )
    (report,) = rounds.measure([root], quick).datasets
    assert report.find(names.THINKING) is not None
    slow = BenchOptions(threads=(1,), batch_size=8, size=32, seconds=0.01, repeats=1, target=5)
    (report,) = rounds.measure([root], slow).datasets
    assert report.skipped[names.THINKING] == "a step of 1.6 s is longer than --seconds"


def test_a_loader_of_another_rank_gives_the_records_of_that_rank(opened):
    dataset, work = opened
    schedule = dataclasses.replace(work.schedule, rank=1, world_size=2)
    stage = Loading(dataset, work._replace(schedule=schedule), kind="cpu", threads=1, seconds=0.01)
    records = taken(stage, 1)
    assert records == schedule.batch(schedule.epoch_order(0), 0).tolist()
    assert stage.check() == 4
