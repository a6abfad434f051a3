import dataclasses
import json
import sys
from pathlib import Path

import pytest
from bench_kit import dataset, measurement, report
from click.testing import CliRunner

from imnet_data.bench import compare, names
from imnet_data.bench.against import python_of
from imnet_data.bench.document import read, to_json
from imnet_data.bench.options import BenchOptions
from imnet_data.cli import main
from imnet_data.errors import EvaluationError

TINY = ["--seconds", "0.01", "--batch-size", "8", "--size", "32", "--threads", "1"]


def repeated(told, *, times=2):
    """Return a dataset with so many times the repeats: five show nothing of 12 figures."""
    for one in told.measurements:
        one.repeats *= times
    return told


def test_the_same_report_has_not_changed():
    comparison = compare.compare(report(repeated(dataset())), report(repeated(dataset())))
    assert len(comparison.changes) == 6
    assert not any(one.is_changed for one in comparison.changes)
    assert not comparison.is_worse
    assert comparison.notes == []
    assert "none of 6 stages changed beyond the noise" in compare.text(comparison)


def test_what_is_slower_than_the_noise_has_changed_for_the_worse():
    comparison = compare.compare(
        report(repeated(dataset(decode=450e-6))), report(repeated(dataset()))
    )
    (one,) = [one for one in comparison.changes if one.is_changed]
    assert one.stage == names.DECODE
    assert one.speed_ratio is not None
    assert one.cost_ratio is not None
    assert one.speed_ratio.middle == pytest.approx(0.9)
    assert one.speed_ratio.low <= 0.9 <= one.speed_ratio.high < 1
    assert one.cost_ratio.low > 1
    assert comparison.is_worse
    text = compare.text(comparison)
    assert "1 of 6 stages changed beyond the noise, 1 for the worse" in text
    assert "0.90  0.89 to 0.91" in text
    assert "1.11  1.10 to 1.12" in text


def test_what_is_faster_has_changed_and_is_not_worse():
    comparison = compare.compare(
        report(repeated(dataset())), report(repeated(dataset(decode=450e-6)))
    )
    assert [one.stage for one in comparison.changes if one.is_changed] == [names.DECODE]
    assert not comparison.is_worse


def test_what_is_within_the_noise_has_not_changed():
    comparison = compare.compare(
        report(repeated(dataset())), report(repeated(dataset(decode=499e-6)))
    )
    assert not any(one.is_changed for one in comparison.changes)


def test_repeats_that_could_show_nothing_are_said():
    comparison = compare.compare(report(), report(dataset(decode=250e-6)))
    assert not any(one.is_changed for one in comparison.changes)
    assert "so few repeats cannot show any change" in compare.text(comparison)
    assert compare.to_json(comparison).count('"visible_change": null') == 12


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (report(dataset(digest="1" * 64)), "has digest 0000000000000000, .* has 1111111111111111"),
        (report(options=BenchOptions(threads=(1, 2), size=160)), "size is 224, then 160"),
        (report(dataset(), dataset()), "1 datasets, then 2"),
        (report(dataset(measurements=[])), "they have no row in common"),
    ],
)
def test_other_records_or_other_work_is_refused(other, why):
    with pytest.raises(EvaluationError, match=f"cannot be compared: .*{why}.*; measure again"):
        compare.compare(report(), other)


def test_options_that_change_no_figure_do_not_hinder_a_comparison():
    options = dataclasses.replace(report().options, target=2500.0, repeats=20, seconds=2.0)
    assert compare.compare(report(), report(options=options)).notes == []


def test_machines_with_other_cores_are_compared_where_their_rows_match():
    wide = dataset()
    wide.measurements.append(measurement("batches (cpu)", 3200, cpu=2 / 1600, threads=4))
    options = BenchOptions(threads=(1, 2, 4))
    comparison = compare.compare(report(), report(wide, options=options, cores_allowed=4))
    assert len(comparison.changes) == 6
    assert comparison.notes == [
        "another machine: cores_allowed is 2, then 4",
        "batches (cpu), 4 threads: in the second report only",
    ]


def test_fields_of_later_versions_are_ignored_and_later_versions_are_not(tmp_path):
    told = json.loads(to_json(report()))
    told["weather"] = told["options"]["weather"] = told["datasets"][0]["weather"] = "fine"
    told["datasets"][0]["measurements"][0]["repeats"][0]["weather"] = "fine"
    (tmp_path / "a.json").write_text(json.dumps(told))
    assert read(tmp_path / "a.json") == report()
    told["version"] += 1
    (tmp_path / "b.json").write_text(json.dumps(told))
    with pytest.raises(EvaluationError, match="its version is"):
        read(tmp_path / "b.json")


def invoke(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.mark.parametrize(("decode", "status"), [(500e-6, 0), (450e-6, 0), (550e-6, 3)])
def test_the_exit_status_says_whether_something_became_slower(tmp_path, decode, status):
    (tmp_path / "a.json").write_text(to_json(report(repeated(dataset()))))
    (tmp_path / "b.json").write_text(to_json(report(repeated(dataset(decode=decode)))))
    out = tmp_path / "c.json"
    result = invoke("--compare", tmp_path / "a.json", tmp_path / "b.json", "--json", out)
    assert result.exit_code == status, result.output
    told = json.loads(out.read_text())
    assert told["is_worse"] == (status == 3)
    assert sum(one["is_changed"] for one in told["changes"]) == (decode != 500e-6)


def test_a_dataset_is_measured_against_another_one_in_one_run(root, other_roots):
    result = invoke(root, *TINY, "--repeats", "2", "--against", other_roots[0], "--json", "-")
    assert result.exit_code in (0, 3), result.output
    told = json.loads(result.stdout)
    assert {one["format"] for one in told["changes"]} == {"folder"}
    assert any("format is webdataset, then folder" in note for note in told["notes"])


def test_an_environment_is_measured_against_another_one_in_turn(root):
    result = invoke(root, *TINY, "--repeats", "2", "--against", sys.prefix, "--json", "-")
    assert result.exit_code in (0, 3), result.output
    told = json.loads(result.stdout)
    assert "batches (cpu)" in {one["stage"] for one in told["changes"]}
    assert not any("another" in note for note in told["notes"])


def test_an_environment_without_the_package_says_what_it_said(root, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho No module named imnet_data >&2\nexit 1\n")
    python.chmod(0o755)
    result = invoke(root, *TINY, "--against", python)
    assert result.exit_code == 1
    assert "status 1 and said: No module named imnet_data; install imnet-data" in result.stderr


def test_a_folder_without_a_python_is_a_dataset(root):
    assert python_of(root) is None
    inside = python_of(Path(sys.prefix))
    assert inside is not None
    assert python_of(inside) == inside
