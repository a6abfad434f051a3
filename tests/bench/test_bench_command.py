import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from bench_kit import dataset
from bench_kit import report as report_of
from click.testing import CliRunner

from imnet_data.bench import compare, page, text
from imnet_data.bench import document as reports
from imnet_data.cli import main
from imnet_data.dataset.opened import Dataset
from imnet_data.html import charts
from imnet_data.html.charts import Point

TINY = [
    "--seconds",
    "0.01",
    "--repeats",
    "2",
    "--batch-size",
    "8",
    "--size",
    "32",
    "--threads",
    "1",
]


def invoke(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


@pytest.fixture(scope="module")
def measured(root, tmp_path_factory):
    """Results of one run: the command's, and where its files are."""
    out = tmp_path_factory.mktemp("out")
    result = invoke(root, *TINY, "--target", 5, "--json", out / "a.json", "--html", out / "a.html")
    return result, out


def test_the_table_has_a_row_for_each_stage_and_says_what_limits(measured, root):
    result, _ = measured
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    for name in ("read, cold", "read, warm", "hash", "cut", "decode", "resize", "batches (cpu)"):
        assert any(line.startswith(name) for line in lines), name
    assert re.search(
        r"images/s expected from the stages, [\d,]+ measured \([\d.]+ times", result.stdout
    )
    assert "is fast enough for the target (5 images/s)" in result.stdout
    assert "2 repeats are fewer than 5" in result.stdout


def test_json_has_what_it_takes_to_repeat(measured, root):
    _, out = measured
    document = json.loads((out / "a.json").read_text())
    assert document["version"] == reports.VERSION
    assert document["options"]["batch_size"] == 8
    assert document["machine"]["cores"] >= 1
    assert {"cpu", "gpu", "governor", "memory_nbytes"} <= set(document["machine"])
    assert {"python", "numpy", "pillow"} <= set(document["versions"])
    assert {"load_before", "load_after", "others_cores", "command", "date"} <= set(document)
    (told,) = document["datasets"]
    with Dataset.open(root) as opened:
        assert told["digest"] == opened.index.digest
    assert len(told["measurements"]) >= 8
    for row in told["measurements"]:
        assert len(row["repeats"]) == 2
        assert row["checked"] == 16
        assert row["figures"]["images_per_second"] > 0
    assert told["predictions"]
    assert told["verdict"]


def test_json_is_read_back_as_it_was(measured, tmp_path):
    _, out = measured
    read = reports.read(out / "a.json")
    assert reports.to_json(read) == (out / "a.json").read_text()
    by_hand = report_of(dataset(), dataset(format="lmdb"))
    (tmp_path / "b.json").write_text(reports.to_json(by_hand))
    assert reports.read(tmp_path / "b.json") == by_hand


def test_json_on_stdout_is_one_document(root):
    result = invoke(root, *TINY, "--json", "-")
    assert json.loads(result.stdout)["datasets"]


def test_the_page_has_its_charts_and_every_figure_and_loads_nothing(measured):
    _, out = measured
    html = (out / "a.html").read_text()
    labels = re.findall(r'<svg [^>]*aria-label="([^"]*)"', html)
    starts = [
        "Time of an image by the clock",
        "images/s over threads of the loader",
        "ms per batch, 1 thread",
    ]
    assert all(label.startswith(start) for label, start in zip(labels, starts, strict=True))
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    rows = text.stage_rows(reports.read(out / "a.json").datasets[0])
    assert len(rows) >= 8
    for row in rows:
        assert f'<th scope="row">{row[0]}</th>' in html


def test_bars_are_as_long_as_their_numbers():
    svg = charts.bars({"read": 50, "decode": 200, "none": 0}, title="microseconds")
    widths = [float(width) for width in re.findall(r'class="bar"[^>]* width="([^"]*)"', svg)]
    assert widths == [pytest.approx(widths[1] / 4, abs=0.1), max(widths), 0]


def test_points_lie_where_their_numbers_are_and_tell_what_was_expected():
    points = [Point(x, 90 * x, 100 * x, 110 * x, expected=120 * x) for x in (1, 2)]
    svg = charts.points(points, titles=("threads", "images/s"), top=400)
    places = re.findall(r'<circle class="bar" cx="([^"]*)" cy="([^"]*)"', svg)
    (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in places)
    floor = y1 + (y1 - y2)  # as the second is twice as high as the first
    left = x1 - (x2 - x1)
    assert f"M{left:.0f} {floor:.0f}H" in svg
    assert "2: 200 (180 to 220, expected 240)" in svg


def test_several_datasets_are_shown_side_by_side():
    both = report_of(dataset(), dataset(format="lmdb", root="/data/lmdb", decode=400e-6))
    assert re.search(r"^images/s +threads +imagenet +lmdb$", text.text(both), re.MULTILINE)
    assert re.search(r"^decode \(of the crop\) +1 +2,000 +2,500$", text.text(both), re.MULTILINE)
    assert page.page(both).count("<svg") == 6
    assert 'id="side-by-side"' in page.page(both)


def test_what_a_dataset_is_called_is_escaped():
    html = page.page(report_of(dataset(root="/data/<b>", storage="<i>")))
    assert "<b>" not in html
    assert "<i>" not in html


def test_another_format_is_made_measured_and_removed(root):
    result = invoke(root, *TINY, "--format", "lmdb", "--json", "-")
    assert result.exit_code == 0, result.output
    one, other = json.loads(result.stdout)["datasets"]
    assert [one["format"], other["format"]] == ["webdataset", "lmdb"]
    assert one["digest"] == other["digest"]
    assert not list(root.parent.glob(".bench-*"))


@pytest.mark.slow
def test_a_model_is_stepped_alone_and_with_the_loader(root):
    pytest.importorskip("torch", reason="a model step needs torch")
    result = invoke(root, *TINY, "--loader", "torch", "--model", "resnet10", "--json", "-")
    assert result.exit_code == 0, result.output
    (told,) = json.loads(result.stdout)["datasets"]
    names = [row["name"] for row in told["measurements"]]
    assert names[names.index("normalize") :] == [
        "normalize",
        "batches (torch)",
        "batches, cold (torch)",
        "batches, cold (torch)",
        "validation batches (torch)",
        "model step",
        "training step",
    ]
    assert told["predictions"][-1]["name"] == "training step"


def test_compare_tells_changes_and_refuses_what_cannot_be_compared(measured, root, tmp_path):
    _, out = measured
    same = invoke("--compare", out / "a.json", out / "a.json")
    assert same.exit_code == 0
    assert "none of 12 stages changed beyond the noise" in same.stdout
    (tmp_path / "b.json").write_text(reports.to_json(report_of()))
    other = invoke("--compare", out / "a.json", tmp_path / "b.json")
    assert other.exit_code == 1
    assert other.stderr.startswith("Error: these reports cannot be compared: ")
    (tmp_path / "c.json").write_text("{}")
    damaged = invoke("--compare", out / "a.json", tmp_path / "c.json")
    assert damaged.exit_code == 1
    assert "is not a report of `imnet-data bench --json`" in damaged.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a DATASET"),
        (["ROOT", "--threads", "one"], "not a list of numbers"),
        (["ROOT", "--threads", "0"], "threads[0] is 0; allowed are integers from 1"),
        (["ROOT", "--batch-size", "10000"], "do not fill one batch"),
        (["ROOT", "ROOT", "--format", "lmdb"], "one DATASET only"),
        (["ROOT", "--compare", "JSON", "JSON"], "leave out DATASET"),
    ],
)
def test_wrong_usage_is_exit_status_2(root, measured, arguments, words):
    places = {"ROOT": root, "JSON": measured[1] / "a.json"}
    result = invoke(*(places.get(one, one) for one in arguments))
    assert result.exit_code == 2, result.output
    assert words in result.stderr


def test_a_folder_that_is_no_dataset_is_exit_status_1(tmp_path):
    result = invoke(tmp_path, *TINY)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_torch_is_imported_only_where_it_is_needed(root):
    code = (
        "import sys; from imnet_data.cli import main;"
        f"main(['bench', {str(root)!r}, *{TINY!r}], standalone_mode=False);"
        "print(sorted({'torch', 'nvidia'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


PAGE = Path(__file__).parents[2] / "docs" / "benchmarking.md"


def fields(value, *, free=("skipped", "versions", "parts", "shares")):
    """Return the names of all fields of a document; those in `free` hold names of other things."""
    if isinstance(value, list):
        return set().union(*(fields(one) for one in value))
    if not isinstance(value, dict):
        return set()
    below = (fields(one) for name, one in value.items() if name not in free)
    return set(value).union(*below)


def test_every_field_of_the_json_is_on_its_page(measured):
    _, out = measured
    document = json.loads((out / "a.json").read_text())
    both = compare.compare(reports.read(out / "a.json"), reports.read(out / "a.json"))
    found = fields(document) | fields(json.loads(compare.to_json(both)))
    assert len(found) > 80
    page_text = PAGE.read_text()
    assert sorted(name for name in found if f"`{name}`" not in page_text) == []


def test_every_option_is_on_its_page():
    page_text = PAGE.read_text()
    bench = main.get_command(click.Context(main), "bench")
    assert bench is not None
    options = [
        option
        for parameter in bench.params
        for option in parameter.opts
        if option.startswith("--") and option != "--help"
    ]
    assert [option for option in options if option not in page_text] == []
