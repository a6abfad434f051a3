"""The scripts in benchmarks/, as far as they can be held against something without timing."""

import importlib
import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from baseline import Kind, random_jpeg
from PIL import Image

from imnet_data.bench import reading
from imnet_data.bench.sample import Sample, work_of
from imnet_data.bench.stages import is_seekable
from imnet_data.dataset.opened import Dataset

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_bench_decode_works_on_the_bytes_and_boxes_of_the_command(root):
    files, made, boxes = importlib.import_module("bench_decode").images_of(root, 128)
    with Dataset.open(root) as dataset:
        work = work_of(dataset, batch_size=24, size=224)
        sample = Sample(dataset, work, reading.hashes_of(dataset, work))
        kept = [position for position, is_one in enumerate(is_seekable(sample)) if is_one]
        assert len(kept) >= 20
        assert made == [sample.stored[position] for position in kept]
        assert boxes == [sample.box(position) for position in kept]
        assert files == [dataset[index].jpeg for index in sample.indices[kept].tolist()]


def test_bench_decode_measures_every_rival_that_needs_no_package(root):
    script = BENCHMARKS / "bench_decode.py"
    for rival in ("full", "boxes-original", "boxes-seekable", "boxes-packed", "pack", "crop"):
        command = [sys.executable, script, root, "--core", "0", "--run", rival]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert float(done.stdout) > 0


def test_bench_views_measures_our_views_and_holds_them_against_pillows(root):
    bench = importlib.import_module("bench_views")
    jpegs = bench.stored(root, 3)
    assert len(jpegs) == 3
    assert bench.require_pillows_pixels(root, jpegs) == 30
    command = [sys.executable, BENCHMARKS / "bench_views.py", root, "--images", "2"]
    done = subprocess.run([*command, "--rival", "views"], check=True, capture_output=True)
    assert float(done.stdout) > 0


def test_every_rival_has_the_names_of_the_table():
    rivals = importlib.import_module("rivals")
    for name in rivals.RIVALS:
        rival = importlib.import_module(f"rivals.{name}")
        assert rival.label
        assert rival.setting
        assert rival.reads
        assert callable(rival.batches)
        assert bool(rival.environment) == bool(rival.install)
    files = {path.stem for path in (BENCHMARKS / "rivals").glob("*.py")}
    assert set(rivals.RIVALS) == files - {"__init__", "__main__", "inputs", "processes"}


def test_a_reason_is_the_error_and_no_notice_of_pip():
    processes = importlib.import_module("rivals.processes")
    said = "ERROR: No matching distribution\n\n[notice] A new release of pip is available\n"
    error = subprocess.CalledProcessError(1, "pip", stderr=said)
    assert processes.last_line(error) == "ERROR: No matching distribution"
    assert processes.last_line(subprocess.CalledProcessError(3, "pip")) == "exit status 3"


def test_an_epoch_without_images_is_refused_and_what_to_install_is_said(tmp_path):
    processes = importlib.import_module("rivals.processes")
    probe = importlib.import_module("rivals.__main__").probe
    with pytest.raises(SystemExit, match="an epoch has no images"):
        probe(lambda _: iter([]))
    assert probe(lambda _: [(None, [1, 2])]) == {"images": 2}
    rival = SimpleNamespace(environment="", install="pip install x", needs="liby", reads="folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        processes.Unusable, match=r"^failed: .*; it needs `pip install x` and Debian's liby$"
    ):
        processes.make_ready("no_such_rival", rival, tmp_path, tmp_path, may_install=False)


@pytest.fixture
def mixed_photographs(tmp_path):
    """A folder as people have them: folders below, other formats, grey, tiny, damaged, notes."""
    folder = tmp_path / "photographs"
    (folder / "below").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    for name in ("n01440764_1.jpg", "below/a.JPEG"):
        Image.fromarray(pixels).save(folder / name, "JPEG")
    Image.fromarray(pixels).save(folder / "b.png")
    Image.fromarray(pixels[..., 0]).save(folder / "grey.jpg")
    Image.fromarray(pixels[:31]).save(folder / "tiny.jpg")
    odd = Kind(width=64, height=48, sampling=[(3, 1), (1, 1), (1, 1)])
    (folder / "odd.jpg").write_bytes(random_jpeg(odd, random.Random(0)))
    (folder / "cut.jpg").write_bytes((folder / "n01440764_1.jpg").read_bytes()[:300])
    (folder / "notes.txt").write_text("no photograph")
    return folder


def test_any_folder_of_photographs_will_do(mixed_photographs, capsys):
    inputs = importlib.import_module("rivals.inputs")
    found = inputs.photographs(mixed_photographs)
    assert [path.name for path in found] == ["a.JPEG", "n01440764_1.jpg"]
    assert "6 of 8 files are no JPEGs in RGB that all can decode" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="has no JPEG in RGB"):
        inputs.photographs(mixed_photographs.parent / "empty")


@pytest.mark.slow
def test_the_plot_of_readme_is_what_the_log_has():
    plot = importlib.import_module("plot_rivals")
    log = (BENCHMARKS / "log.md").read_text()
    date, rows = plot.read(log)
    kinds = [row.kind for row in rows]
    assert (kinds.count("bare"), kinds.count("ours")) == (1, 6)
    assert kinds.count("theirs") >= 8
    assert all(row.least <= row.median <= row.most for row in rows)
    picture = (BENCHMARKS.parent / "docs" / "rivals.svg").read_text()
    assert plot.draw(date, rows) == picture, "run benchmarks/plot_rivals.py again"
    with pytest.raises(SystemExit, match="no table"):
        plot.read("| loader |")


def test_bench_rivals_runs_where_python_does_not_trust_the_current_folder(
    mixed_photographs, tmp_path
):
    command = [sys.executable, BENCHMARKS / "bench_rivals.py", mixed_photographs, tmp_path]
    command += ["--rounds", "1", "--only", "ours"]
    environ = {**os.environ, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    # the ceiling is not installed here, which comes after all imports and inputs
    assert "simplejpeg: not installed; run with --install; it needs `pip install" in done.stderr


@pytest.mark.parametrize("printed", ["", "warning: no JSON\n"])
def test_a_rival_that_prints_no_result_is_left_out_and_ends_nothing(printed):
    bench_rivals = importlib.import_module("bench_rivals")
    with pytest.raises(bench_rivals.Unusable, match="no JSON document"):
        bench_rivals.last_document(printed)
