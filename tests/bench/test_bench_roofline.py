import dataclasses

import pytest
from bench_kit import dataset, measurement, report

from imnet_data.bench import names, roofline, verdict
from imnet_data.bench.options import BenchOptions


def predicted(told, *, cores=2):
    return {(one.name, one.threads): one for one in roofline.predicted(told, cores=cores)}


def test_cpu_times_of_stages_add_up():
    one = predicted(dataset())["batches (cpu)", 1]
    assert sum(one.parts.values()) == pytest.approx(100e-6 + 500e-6 + 150e-6)
    assert one.predicted == pytest.approx(1 / 750e-6)
    assert one.measured == pytest.approx(800)
    assert one.ratio == pytest.approx(800 * 750e-6)
    assert one.cpu_ratio == pytest.approx((2 / 1600) / 750e-6)


def test_threads_beyond_the_cores_are_expected_to_give_nothing():
    assert predicted(dataset())["batches (cpu)", 2].predicted == pytest.approx(2 / 750e-6)
    assert predicted(dataset(), cores=1)["batches (cpu)", 2].predicted == pytest.approx(1 / 750e-6)


def with_model(*, device, speed, loader="batches (torch)"):
    told = dataset(device=device)
    kept = [one for one in told.measurements if not one.name.startswith("batches")]
    told.measurements = [
        *kept,
        measurement(names.NORMALIZE, 10_000, cpu=100e-6),
        measurement(loader, 1500, cpu=1e-3, threads=2, is_cold=False),
        measurement(names.MODEL, speed, cpu=2 / speed, threads=2),
        measurement(names.TRAINING, speed * 0.9, cpu=3e-3, threads=2, is_cold=False),
    ]
    return told


def test_a_model_on_the_cpu_shares_the_cores():
    one = predicted(with_model(device="cpu", speed=1000))[names.TRAINING, 2]
    assert one.predicted == pytest.approx(2 / (850e-6 + 2e-3))


def test_a_model_on_a_gpu_goes_on_meanwhile():
    one = predicted(with_model(device="cuda", speed=300))[names.TRAINING, 2]
    assert one.predicted == pytest.approx(300)
    assert names.MODEL not in one.parts


def test_a_copy_to_the_gpu_goes_on_meanwhile_and_may_limit():
    told = with_model(device="cuda", speed=3000)
    told.measurements.append(measurement(names.COPY, 200, cpu=1e-4))
    found = predicted(told)
    assert found["batches (torch)", 2].predicted == pytest.approx(200)
    assert found[names.TRAINING, 2].predicted == pytest.approx(200)
    assert names.COPY not in found[names.TRAINING, 2].parts


def test_what_the_caller_does_is_not_spread_over_the_threads():
    told = with_model(device="cpu", speed=1000)
    told.measurements[-4] = measurement(names.NORMALIZE, 1000, cpu=1e-3)
    assert predicted(told, cores=16)["batches (torch)", 2].predicted == pytest.approx(1000)


def test_nothing_is_predicted_of_a_loader_with_other_stages():
    told = with_model(device="cpu", speed=1000, loader="batches (dali)")
    assert predicted(told) == {}


def said(told, *others, **options):
    told_report = report(told, *others, options=BenchOptions(threads=(1, 2), **options))
    return verdict.verdict(told_report, told)


def test_without_a_target_the_largest_stage_is_named():
    text = said(dataset())
    assert text.startswith(
        "The loader delivers 1,600 images/s with 2 threads, and its threads spend 40% of their "
        "time on decode (of the crop) and 40% on work that no stage explains. Give --target"
    )


def test_a_target_that_is_met_says_how_many_cores_would_do():
    text = said(dataset(), target=800)
    assert "is fast enough for the target (800 images/s)" in text
    assert "2.0 times what is needed. 1 core would suffice." in text


def test_a_target_that_is_not_met_says_how_many_cores_and_which_format_would_do():
    slow = dataset(format="folder", seekable=0, batches=800, decode=1e-3)
    text = said(slow, dataset(), target=2500)
    assert text.startswith(
        "The loader is too slow for the target (2,500 images/s), which would wait 68% of the time: "
        "it delivers 800 images/s"
    )
    assert "7 cores like these would suffice (webdataset: 4 cores)" in text
    assert "`imnet-data convert --jpeg seekable`" in text


def test_a_loader_that_waited_for_others_is_not_blamed_on_the_cores():
    told = dataset()
    told.measurements[-1] = measurement("batches (cpu)", 500, cpu=1e-3, threads=2, is_cold=False)
    assert "an idle machine would suffice; see the warnings" in said(told, target=1500)


def test_a_model_is_a_demand():
    text = said(with_model(device="cuda", speed=300), model="resnet50")
    assert "fast enough for the training step of resnet50 on 1 GPU (300 images/s)" in text


def test_slow_storage_limits_for_ever_or_for_an_epoch():
    assert "storage" not in said(dataset())
    assert "as it comes from storage: reading alone makes 700 images/s" in said(dataset(cold=700))
    large = dataset(cold=700, nbytes=150_000_000_000)
    assert "The dataset (150.0 GB) does not fit into memory" in said(large)
    assert "so every epoch reads from storage: reading alone makes 700 images/s" in said(large)


def test_what_was_not_cold_says_nothing_of_storage():
    text = said(dataset(cold=9000, from_storage=0.5))
    assert "The speed of the storage is not known: warm (cache could not be dropped)." in text


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"threads\[0\] is 0; allowed are integers from 1"):
        BenchOptions(threads=(0,))
    with pytest.raises(ValueError, match="they must increase"):
        BenchOptions(threads=(2, 1))
    with pytest.raises(ValueError, match="target is -1"):
        dataclasses.replace(BenchOptions(), target=-1)
