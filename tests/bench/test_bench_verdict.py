"""Verdicts on reports of given numbers: several GPUs, quotas, limits of memory, waiting."""

import os

import pytest
from bench_kit import dataset, measurement, report

from imnet_data.bench import machine, names, shares, text, topology, verdict
from imnet_data.bench.options import BenchOptions


def with_waits(told, **seconds):
    """Return the last loader repeats that waited so many seconds in each second."""
    loader = told.measurements[-1]
    loader.repeats = [
        one._replace(**{name: share * one.seconds for name, share in seconds.items()})
        for one in loader.repeats
    ]
    return told


def on_gpus(count, *, options=None):
    told = dataset(device="cuda", batches=2600.0)
    told.measurements.append(measurement(names.MODEL, 2500, cpu=1e-6))
    machine_has = {"gpu": ["H100"] * count, "gpus_visible": count}
    options = options or BenchOptions(threads=(1, 2), model="resnet50")
    return verdict.verdict(report(told, options=options, **machine_has), told)


def test_the_demand_is_that_of_all_gpus():
    assert "is fast enough for the training step of resnet50 on 1 GPU (2,500" in on_gpus(1)
    assert "is too slow for the training step of resnet50 on 8 GPUs (20,000 images/s)" in on_gpus(8)
    assert "which would wait 87% of the time" in on_gpus(8)
    asked = BenchOptions(threads=(1, 2), model="resnet50", gpus=4)
    assert "on 4 GPUs (10,000 images/s)" in on_gpus(8, options=asked)


@pytest.mark.parametrize(("value", "count"), [("0,1,3", 3), ("", 0), ("2,-1,0", 1), ("GPU-1f", 1)])
def test_gpus_that_are_hidden_do_not_count(monkeypatch, value, count):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert machine.gpus_visible() == count


def test_shares_are_of_the_loaders_time_and_add_up_to_1():
    told = dataset(batches=400.0)  # each thread takes 5 ms per image, of which decode is 0.5
    spent = shares.shares(told, told.measurements[-1])
    assert spent[names.DECODE] == pytest.approx(0.1)
    assert spent[shares.REST] == pytest.approx(0.85)
    assert sum(spent.values()) == pytest.approx(1)
    assert "85% of their time on work that no stage explains" in verdict.verdict(report(told), told)


def test_stages_that_take_more_alone_than_together_share_all():
    told = dataset(batches=4000.0)
    spent = shares.shares(told, told.measurements[-1])
    assert sum(spent.values()) == pytest.approx(1)
    assert shares.REST not in spent


def test_waiting_for_a_quota_is_named_and_a_larger_one_advised():
    told = with_waits(dataset(batches=500.0), throttled_seconds=1.4, core_wait_seconds=1.4)
    told.measurements[-1].repeats = [
        one._replace(cpu_seconds=100 * 1e-3) for one in told.measurements[-1].repeats
    ]
    said = verdict.verdict(report(told, options=BenchOptions(threads=(1, 2), target=1500)), told)
    assert "70% of their time standing still under the CPU quota" in said
    assert "It used the CPU time of 2 cores: a larger quota would suffice." in said


def test_waiting_for_other_processes_is_named():
    told = with_waits(dataset(batches=500.0), core_wait_seconds=1.4)
    assert "70% of their time waiting for a core" in verdict.verdict(report(told), told)


def cold(speed, *, share=1.0):
    name = f"{names.COLD_BATCHES} (cpu)"
    return measurement(name, speed, cpu=1.2e-3, threads=2, is_cold=True, storage=share)


def test_what_a_cold_loader_works_beyond_a_warm_one_is_no_waiting():
    told = dataset()
    told.measurements.append(cold(500))  # 4 ms of a thread per image, of which it works 1.2
    spent = shares.shares(told, told.measurements[-1])
    work = sum(spent[name] for name in spent if name not in (shares.FETCHING, shares.FOR_STORAGE))
    assert work + spent[shares.FETCHING] == pytest.approx(0.3)
    assert spent[shares.FOR_STORAGE] == pytest.approx(0.7)


def test_a_dataset_beyond_the_limit_of_memory_is_judged_by_cold_batches():
    told = dataset(nbytes=10_000_000_000)
    told.measurements.append(cold(500))
    options = BenchOptions(threads=(1, 2), target=1500)
    small = verdict.verdict(report(told, options=options, memory_nbytes=4_000_000_000), told)
    assert "it delivers 500 images/s from storage with 2 threads" in small
    assert "% of their time waiting for storage" in small
    assert 'order="block"' in small
    assert "memory, which holds 40%, so every epoch reads from storage" in small
    large = verdict.verdict(report(told, options=options, memory_nbytes=40_000_000_000), told)
    assert "is fast enough for the target" in large
    assert "as it comes from storage: the loader makes 500 images/s" in large


def test_more_threads_than_cores_count_where_they_are_faster():
    told = dataset(nbytes=10_000_000_000)
    told.measurements += [cold(500), cold(900), cold(700)]
    told.measurements[-2].threads = 4
    said = verdict.verdict(report(told, memory_nbytes=4_000_000_000), told)
    assert "delivers 900 images/s from storage with 4 threads" in said


def test_cold_batches_that_came_from_memory_judge_nothing():
    told = dataset(nbytes=10_000_000_000)
    told.measurements.append(cold(5000, share=0.1))
    said = verdict.verdict(report(told, memory_nbytes=4_000_000_000), told)
    assert "delivers 1,600 images/s with 2 threads" in said
    assert "The speed of the storage is not known" in said


def test_time_per_epoch_and_bytes_that_a_target_needs_are_said():
    told = dataset(records=1_281_167, nbytes=144_000_000_000)
    machine_report = report(told, options=BenchOptions(threads=(1, 2), target=2000))
    epoch, needed = verdict.needs(machine_report, told)
    assert epoch == "an epoch of 1,281,167 records takes 13 min at 1,600 images/s"
    assert needed.startswith("the target needs 225 MB/s from storage")


def test_percentiles_are_not_printed_of_a_handful_of_batches():
    few = measurement("batches (cpu)", 100, cpu=1e-3)  # 50 batches
    assert text.stage_rows(dataset(measurements=[few]))[0][-4:-2] == ("100.0", "-")
    many = measurement("batches (cpu)", 100, cpu=1e-3, speeds=[1.0] * 20)  # 200
    assert text.stage_rows(dataset(measurements=[many]))[0][-4:-2] == ("100.0", "100.0")


def test_the_interval_leaves_out_a_disturbed_repeat_of_ten():
    one = measurement("x", 1000, cpu=1e-3, speeds=[0.5, *[1 + 0.001 * k for k in range(9)]])
    assert one.interval == pytest.approx((1000, 1007))
    five = measurement("x", 1000, cpu=1e-3)
    assert five.interval == pytest.approx((990, 1010))


def test_cores_are_counted_by_their_places(tmp_path):
    for number in sorted(os.sched_getaffinity(0)):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "core_id").write_text("0\n")
        (folder / "physical_package_id").write_text("0\n")
    (tmp_path / "sys/devices/system/node/node0").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("cpu MHz\t\t: 2400.5\ncpu MHz\t\t: 3100.0\n")
    (tmp_path / ".dockerenv").touch()
    assert topology.topology(tmp_path) == {
        "physical_cores": 1,
        "threads_per_core": len(os.sched_getaffinity(0)),
        "sockets": 1,
        "numa_nodes": 1,
        "megahertz": 3100.0,
        "container": "docker",
    }
    assert topology.usable_cores(tmp_path) == 1
