import dataclasses
from math import comb

import pytest
from bench_kit import dataset, measurement, report

from imnet_data.bench import compare, names
from imnet_data.bench.options import BenchOptions
from imnet_data.errors import EvaluationError


def test_the_same_report_has_not_changed():
    comparison = compare.compare(report(), report())
    assert len(comparison.changes) == 6
    assert not any(one.speed_changed or one.cost_changed for one in comparison.changes)
    assert comparison.notes == []
    assert "none of 6 stages changed beyond the noise" in compare.text(comparison)


def test_what_is_faster_than_the_spread_has_changed():
    comparison = compare.compare(report(), report(dataset(decode=450e-6)))
    (one,) = [one for one in comparison.changes if one.speed_changed]
    assert one.stage == names.DECODE
    assert one.cost_changed
    text = compare.text(comparison)
    assert "1 of 6 stages changed beyond the noise" in text
    assert "1.11 x" in text
    assert "0.90 x" in text


def test_what_is_within_the_spread_has_not_changed():
    comparison = compare.compare(report(), report(dataset(decode=495e-6)))
    assert len(comparison.changes) == 6
    assert not any(one.speed_changed for one in comparison.changes)


def test_ranges_that_do_not_meet_are_as_rare_as_said():
    assert 2 / comb(10, 5) == 1 / 126
    assert compare.changed([1, 2], [3, 4])
    assert compare.changed([3, 4], [1, 2])
    assert not compare.changed([1, 3], [3, 4])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (report(dataset(digest="1" * 64)), "has digest 0000000000000000, .* has 1111111111111111"),
        (report(options=BenchOptions(threads=(1, 2), size=160)), "size is 224, then 160"),
        (report(options=BenchOptions(threads=(1,))), r"threads is \(1, 2\), then \(1,\)"),
        (report(dataset(), dataset()), "1 datasets, then 2"),
    ],
)
def test_other_records_or_options_are_refused(other, why):
    with pytest.raises(EvaluationError, match=f"cannot be compared: .*{why}.*; measure again"):
        compare.compare(report(), other)


def test_a_target_does_not_hinder_a_comparison():
    options = dataclasses.replace(report().options, target=2500.0)
    assert compare.compare(report(), report(options=options)).notes == []


@pytest.mark.parametrize(
    ("other", "note"),
    [
        (report(cpu="another"), "another machine: cpu is a processor, then another"),
        (report(dataset(format="lmdb")), "stored in another way: format is webdataset, then lmdb"),
        (report(warnings=["busy machine: ..."]), "second report: busy machine: ..."),
    ],
)
def test_another_machine_format_or_a_warning_is_told(other, note):
    assert note in compare.compare(report(), other).notes


def test_cold_is_not_compared_with_warm():
    comparison = compare.compare(report(), report(dataset(from_storage=0.0)))
    assert len(comparison.changes) == 5
    assert names.READ_COLD not in {one.stage for one in comparison.changes}
    assert any("cold, then warm (cache could not be dropped)" in one for one in comparison.notes)


def test_a_stage_that_is_gone_is_told():
    told = dataset()
    told.measurements = told.measurements[:-1]
    comparison = compare.compare(report(), report(told))
    assert "batches (cpu), 2 threads: in the first report only" in comparison.notes
    assert measurement("x", 1, cpu=1).images_per_second == pytest.approx(1)
