"""Third-party libraries read every record, and what each of them can see is seen."""

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Set
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnet_data import formats
from imnet_data.cli import main
from imnet_data.dataset.layout import summaries
from imnet_data.dataset.opened import Dataset
from imnet_data.formats import Sample, ShardSummary
from imnet_data.machine.files import Output
from imnet_data.record import Record
from imnet_data.verification import readers
from imnet_data.verification.read_back import ReadBack, read_back
from imnet_data.verification.readers import READERS

TRAIN, VAL, TEST = 4 * 37, 4 * 5, 7
BY_TURN = {"timm"}  # returns neither keys nor bytes, so that after a fault it is out of step


@pytest.fixture(scope="module", autouse=True)
def imported(request: pytest.FixtureRequest) -> None:
    """Import each library here, so that the processes that read have it from the start."""
    for reader in READERS.values():
        if reader.is_installed:
            if reader.name in {"timm", "torchvision"}:
                request.getfixturevalue(reader.name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader.load()


def installed(format_name: str) -> set[str]:
    return {reader.name for reader in readers.of_format(format_name) if reader.is_installed}


def read(root: Path, *, without: Set[str] = frozenset()) -> dict[str, ReadBack]:
    """Return what each installed library made of a dataset."""
    results = {result.reader: result for result in read_back(root) if not result.install}
    assert results.keys() == installed(root.name)
    found = {name: result for name, result in results.items() if name not in without}
    if not found:
        pytest.skip(f"no library that reads {root.name} is installed")
    return found


Change = Callable[[list[Sample]], list[Sample]]


def rewrite(root: Path, change: Change) -> str:
    """Make the first shard of train a sound one of other records; return the key of its fourth.

    The manifest stays. Of a folder there is nothing to be rewritten: its files are moved about.
    """
    with Dataset.open(root, "train") as dataset:
        module, path, said = (
            formats.get(root.name),
            dataset.shard_paths[0],
            dataset.split_description,
        )
        index = dataset.index
        with closing(module.open(path)) as shard:
            images = [bytes(stored.image) for stored in shard.walk(lambda position, piece: None)]
        samples = [
            Sample(
                Record(index.key[row].decode(), dataset.classes[index.label[row]], image),
                int(index.label[row]),
                int(index.width[row]),
                int(index.height[row]),
            )
            for row, image in enumerate(images)
        ]
    changed = change(samples)
    path.unlink()
    with Output(path) as out:
        module.write(out, changed)
        out.hexdigest()  # until then not all is on disk
    for suffix, content in out.side_files.items():
        path.with_suffix(suffix).write_bytes(content)
    first = ShardSummary(path.name, len(changed), path.stat().st_size)
    sides = module.split_side_files("train", [first, *summaries(said)[1:]])
    for name, content in sides.items():
        (path.parent / name).write_bytes(content)
    return samples[3].record.key


def with_other_bytes(samples: list[Sample]) -> list[Sample]:
    record = samples[3].record._replace(jpeg=samples[3].record.jpeg + b"more")
    return [*samples[:3], samples[3]._replace(record=record), *samples[4:]]


def with_another_label(samples: list[Sample]) -> list[Sample]:
    label = (samples[3].label + 1) % 4
    return [*samples[:3], samples[3]._replace(label=label), *samples[4:]]


def with_one_dropped(samples: list[Sample]) -> list[Sample]:
    return samples[:3] + samples[4:]


def with_one_doubled(samples: list[Sample]) -> list[Sample]:
    return [*samples, samples[3]]


@pytest.fixture(params=sorted(formats.FORMATS.keys() - {"folder"}))
def shards(made: dict[str, Path], request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A dataset of each format in turn that has shards, to be damaged."""
    return Path(shutil.copytree(made[request.param], tmp_path / request.param))


def test_every_library_returns_every_record(made: dict[str, Path], format_name: str) -> None:
    for name, result in read(made[format_name]).items():
        needs_labels = READERS[name].needs_labels
        count = TRAIN + VAL + (0 if needs_labels else TEST)
        assert (result.match_count, result.record_count) == (count, count), result
        assert result.differences == ()
        assert f": {count} of {count} records match" in str(result)
        left_out = "not read for lack of labels: test"
        assert (left_out in str(result)) == needs_labels


@pytest.mark.parametrize(
    ("format_name", "name", "said"),
    [
        ("webdataset", "webdataset", ""),
        ("webdataset", "wids", ""),
        ("webdataset", "timm", "keys and bytes are not exposed"),
        ("webdataset", "DALI", ""),
        ("caffe", "DALI", ""),
        ("tfrecord", "DALI", ""),
        ("folder", "DALI", ""),
        ("lmdb", "lmdb", ""),
        ("caffe", "lmdb", ""),
        ("beton", "ffcv", "keys are not exposed"),
        ("tfrecord", "tfrecord", ""),
        ("folder", "torchvision", ""),
    ],
)
def test_what_a_library_does_not_expose_is_said(
    made: dict[str, Path], format_name: str, name: str, said: str
) -> None:
    if name not in installed(format_name):
        pytest.skip(f"{name} is not installed")
    line = str(read(made[format_name])[name])
    assert said in line
    assert ("exposed" in line) == bool(said)


def test_other_bytes_are_found_by_each_that_returns_bytes(shards: Path) -> None:
    key = rewrite(shards, with_other_bytes)
    for name, result in read(shards, without=BY_TURN).items():
        assert result.match_count == result.record_count - 1, result
        assert result.difference_count == 1
        assert result.differences[0].key == key
        assert result.differences[0].what == f"{name} returns other bytes than the manifest says"


def test_another_label_is_found(shards: Path) -> None:
    key = rewrite(shards, with_another_label)
    for name, result in read(shards).items():
        assert result.match_count == result.record_count - 1, result
        assert [difference.key for difference in result.differences] == [key]
        assert f"{name} returns the label" in result.differences[0].what


def test_a_dropped_record_is_missed(shards: Path) -> None:
    key = rewrite(shards, with_one_dropped)
    for name, result in read(shards).items():
        if name in BY_TURN:
            assert 0 < result.match_count < result.record_count
            continue
        assert result.match_count == result.record_count - 1, result
        assert [(difference.key, difference.what) for difference in result.differences] == [
            (key, f"{name} does not return it")
        ]


def test_a_doubled_record_is_found(shards: Path) -> None:
    key = rewrite(shards, with_one_doubled)
    for name, result in read(shards).items():
        if name in BY_TURN | {"wids"}:  # which finds the members of a tar by their names
            assert 0 < result.match_count < result.record_count
            continue
        assert result.match_count == result.record_count - 1, result
        assert [(difference.key, difference.what) for difference in result.differences] == [
            (key, f"{name} returns it more than once")
        ]


def test_a_record_of_another_dataset_is_none_of_the_manifest(shards: Path) -> None:
    def with_a_stranger(samples: list[Sample]) -> list[Sample]:
        record = samples[3].record._replace(key="n01440764_stranger")
        return [*samples[:3], samples[3]._replace(record=record), *samples[4:]]

    key = rewrite(shards, with_a_stranger)
    for name, result in read(shards).items():
        if "keys" in result.not_exposed:
            assert result.difference_count == 0  # the same image and label
            continue
        stranger, missing = result.differences
        assert (stranger.key, missing.key) == ("n01440764_stranger", key)
        assert stranger.what == f"{name} returns a record that the manifest does not have"


@pytest.mark.parametrize("change", ["other bytes", "moved", "dropped", "doubled"])
def test_a_file_of_a_folder_that_was_changed_is_found(
    made: dict[str, Path], tmp_path: Path, change: str
) -> None:
    root = Path(shutil.copytree(made["folder"], tmp_path / "folder"))
    first, second = sorted(path for path in (root / "train").iterdir() if path.is_dir())[:2]
    path = sorted(first.iterdir())[5]
    if change == "other bytes":
        path.write_bytes(path.read_bytes() + b"more")
    elif change == "moved":
        path.rename(second / path.name)
    elif change == "dropped":
        path.unlink()
    else:
        shutil.copyfile(path, second / path.name)
    whats = {
        "other bytes": "returns other bytes than the manifest says",
        "moved": "returns the label 1, the manifest says 0",
        "dropped": "does not return it",
        "doubled": "returns it more than once",
    }
    for name, result in read(root).items():
        assert result.match_count == result.record_count - 1, result
        assert {difference.key for difference in result.differences} == {path.stem}
        assert f"{name} {whats[change]}" in [difference.what for difference in result.differences]


def cut_a_shard(root: Path) -> None:
    with Dataset.open(root, "train") as dataset:
        shard = dataset.shard_paths[0]
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])


@pytest.mark.parametrize("shards", ["webdataset", "beton", "tfrecord"], indirect=True)
def test_a_library_that_stops_at_a_cut_shard_is_named(shards: Path) -> None:
    cut_a_shard(shards)
    for name, result in read(shards, without=BY_TURN).items():
        stopped = f"{name} stopped: "
        assert any(difference.what.startswith(stopped) for difference in result.differences), result
        assert 0 < result.match_count < result.record_count


@pytest.mark.parametrize("shards", ["caffe"], indirect=True)
def test_a_library_that_dies_of_a_cut_shard_is_named(shards: Path) -> None:
    """LMDB maps the file into memory, and a page behind its end is the end of the process."""
    cut_a_shard(shards)
    words = [sys.executable, "-m", "imnet_data", "verify", str(shards), "--readers"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    for name in installed("caffe"):
        died = f"{shards}/train: {name} stopped: the process that it ran in was killed"
        assert died in done.stdout.splitlines()


def test_only_the_first_differences_are_kept_and_all_are_counted(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))

    def with_ten_dropped(samples: list[Sample]) -> list[Sample]:
        assert len(samples) > 10
        return samples[10:]

    rewrite(root, with_ten_dropped)
    (result,) = read(root).values()
    assert (len(result.differences), result.difference_count) == (5, 10)
    done = CliRunner().invoke(main, ["verify", str(root), "--readers"])
    assert done.exit_code == 1
    assert f"{root}: lmdb has 5 more differences" in done.output


def test_the_command_prints_a_line_for_each_library_and_counts_what_differs(
    made: dict[str, Path], tmp_path: Path
) -> None:
    runner, root = CliRunner(), Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    sound = runner.invoke(main, ["verify", str(root), "--readers"])
    version = READERS["lmdb"].version
    total = TRAIN + VAL + TEST
    line = f"{root}: lmdb {version}: {total} of {total} records match"
    assert (sound.exit_code, sound.output) == (0, f"{line}\n{root}: sound\n")
    key = rewrite(root, with_one_dropped)
    for more in ([], ["--json"]):
        broken = runner.invoke(main, ["verify", str(root), "--readers", *more])
        assert broken.exit_code == 1
        assert key in broken.output
    report = json.loads(broken.stdout)[str(root)]
    assert not report["sound"]
    (found,) = report["readers"]
    assert found["differences"][0]["what"] == "lmdb does not return it"
    assert found["match_count"] == found["record_count"] - 1 == total - 1


def test_a_mismatch_that_only_a_library_sees_ends_with_1(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """ImageFolder numbers the classes that it finds, so an empty class moves the others."""
    root = Path(shutil.copytree(made["folder"], tmp_path / "folder"))
    if "torchvision" not in installed("folder"):
        pytest.skip("torchvision is not installed")
    shutil.rmtree(min(path for path in (root / "train").iterdir() if path.is_dir()))
    result = read(root)["torchvision"]
    assert result.match_count == VAL
    assert result.difference_count == TRAIN


def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lmdb", "nvidia.dali"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not there
    results = {result.reader: result for result in read_back(made["caffe"])}
    assert str(results["lmdb"]) == "lmdb is not installed: pip install lmdb"
    assert str(results["DALI"]) == "DALI is not installed: pip install nvidia-dali-cuda130"
    done = CliRunner().invoke(main, ["verify", str(made["caffe"]), "--readers"])
    assert done.exit_code == 0
    assert "lmdb is not installed: pip install lmdb" in done.output


def test_a_library_that_fails_on_import_is_not_one_that_is_not_installed(
    made: dict[str, Path], tmp_path: Path
) -> None:
    broken = "raise OSError('libnothere.so.1: cannot open shared object file')"
    (tmp_path / "lmdb.py").write_text(broken)
    words = [sys.executable, "-m", "imnet_data", "verify", str(made["lmdb"]), "--readers"]
    path = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, capture_output=True, text=True, env=path, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be imported (OSError: libnothere.so.1: cannot open shared" in done.stdout
    assert "`python -c 'import lmdb'` shows where)" in done.stdout
    assert "install" not in done.stdout.replace("is installed", "")


def test_no_library_is_imported_where_the_results_are_wanted(made: dict[str, Path]) -> None:
    code = (
        "import sys; from imnet_data import read_back;"
        f"print(*read_back({str(made['lmdb'])!r}), sep='\\n');"
        "print('imported', *sorted({'lmdb', 'torch', 'webdataset'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, imported = done.stdout.splitlines()
    assert imported == "imported"
    assert len(lines) == len(readers.of_format("lmdb"))


def test_each_command_installs_a_distribution_that_the_version_is_asked_of() -> None:
    for reader in READERS.values():
        words = reader.install.split()
        assert words[-3:-1] == ["pip", "install"] or words[-4:-2] == ["pip", "install"]
        assert set(words) & {reader.name, *reader.distributions}, reader


def test_the_page_lists_each_library_of_each_format() -> None:
    page = Path(__file__).parents[2] / "docs" / "verifying.md"
    section = page.read_text().partition("## Reading it back with other libraries\n")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.partition("\n## ")[0].splitlines()
        if line.startswith("| ")
    ]
    listed = {(row[0], row[1]) for row in rows[2:]}
    assert listed == {
        (name, reader.name) for name in formats.FORMATS for reader in readers.of_format(name)
    }


def test_every_format_has_a_library_that_reads_it() -> None:
    assert all(readers.of_format(name) for name in formats.FORMATS)
