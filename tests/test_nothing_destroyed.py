"""Commands that write replace nothing that they did not write themselves."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imnet_data import demo, formats
from imnet_data.cli import main
from imnet_data.conversion import run_folder, staging
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError, OutputError
from imnet_data.machine.files import write_new
from imnet_data.storage.cache import Cache
from imnet_data.synth import FILE_NAMES, synth

THESIS = b"years of work"


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("name", [*FILE_NAMES, f"{FILE_NAMES[0]}.part"])
def test_synth_replaces_no_tarball(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(THESIS)
    result = run("synth", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path / name}: exists already, and is not replaced; choose another folder\n"
    )
    assert files(tmp_path) == {name: THESIS}


def test_the_demo_takes_no_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "lmdb").mkdir()
    (tmp_path / "lmdb" / "thesis.tex").write_bytes(THESIS)
    result = run("demo", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}: is not empty (there is lmdb), and no demo made it" in result.stderr
    assert files(tmp_path) == {"lmdb/thesis.tex": THESIS}


def test_the_demo_makes_its_own_folder_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(out: Path, **_: object) -> None:
        synth(out, class_count=2, images_per_class=2, val_per_class=1, mean_nbytes=2_000)

    monkeypatch.setattr(demo, "synth", small)
    two = {name: formats.FORMATS[name] for name in ("lmdb", "folder")}
    monkeypatch.setattr(formats, "FORMATS", two)
    first = demo.demo(tmp_path / "demo", workers=1)
    again = demo.demo(tmp_path / "demo", workers=1)
    assert [row.about for row in again] == [row.about for row in first]


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "{root}", "--html", "{file}"),
        ("inspect", "{root}", "--record", "0", "--save", "{file}"),
        ("bench", "{root}", "--json", "{file}"),
        ("bench", "{root}", "--html", "{file}"),
        ("evaluate", "{root}", "--model", "resnet18", "--csv", "{file}"),
        ("evaluate", "{root}", "--model", "resnet18", "--html", "{file}"),
    ],
    ids=" ".join,
)
def test_an_output_file_that_exists_is_refused_before_any_work(
    made: dict[str, Path], tmp_path: Path, words: tuple[str, ...]
) -> None:
    file = tmp_path / "thesis"
    file.write_bytes(THESIS)
    result = run(*(word.format(root=made["lmdb"], file=file) for word in words))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {file}: exists already, and is not replaced; "
        "choose another name, or add --overwrite\n"
    )
    assert files(tmp_path) == {"thesis": THESIS}


def test_an_output_file_is_replaced_when_asked_or_empty(
    made: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    for content, options in ((THESIS, ["--overwrite"]), (b"", [])):
        file.write_bytes(content)
        assert run("inspect", made["lmdb"], "--html", file, *options).exit_code == 0
        assert file.read_bytes().startswith(b"<!doctype html>")
    assert files(tmp_path).keys() == {"page.html"}


def test_the_file_that_an_output_is_written_to_first_is_not_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(THESIS)
    with pytest.raises(OutputError, match=r"a\.part: exists already"):
        write_new(tmp_path / "a", b"report")
    assert files(tmp_path) == {"a.part": THESIS}


@pytest.mark.parametrize("name", ["checkpoint.pt", "weights.pt", "log.jsonl", "card.json"])
def test_training_replaces_no_file_of_somebody_else(
    made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    pytest.importorskip("torch")
    (tmp_path / name).write_bytes(THESIS)
    result = run("train", made["lmdb"], "--recipe", "demo", "--out", tmp_path, "--device", "cpu")
    assert result.exit_code == 1
    assert str(tmp_path / name) in result.stderr
    assert files(tmp_path) == {name: THESIS}


@pytest.mark.parametrize("name", ["thesis.tex", "train/thesis.tex", "val/deep/down/thesis.tex"])
def test_force_keeps_what_the_dataset_does_not_list(
    dataset_root: Path, tarballs: Path, name: str
) -> None:
    (dataset_root / name).parent.mkdir(parents=True, exist_ok=True)
    (dataset_root / name).write_bytes(THESIS)
    before = files(dataset_root)
    with pytest.raises(ConvertError, match=rf"{name}: is not a file of the dataset"):
        convert([tarballs], dataset_root, force=True, options=Options(limit=3))
    assert files(dataset_root) == before


def test_force_goes_through_no_link_to_a_folder(
    made: dict[str, Path], tarballs: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    (root / "train").rename(tmp_path / "elsewhere")
    (root / "train").symlink_to(tmp_path / "elsewhere")
    before = files(tmp_path / "elsewhere")
    with pytest.raises(ConvertError, match="lmdb/train: is not a file of the dataset"):
        convert([tarballs], root, force=True, options=Options(limit=3))
    assert files(tmp_path / "elsewhere") == before


def test_force_removes_nothing_before_the_new_conversion_is_planned(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    (tmp_path / "no-source").mkdir()
    before = files(root)
    assert run("convert", tmp_path / "no-source", root, "--force").exit_code == 1
    assert files(root) == before


def test_a_removal_that_was_killed_goes_on(
    dataset_root: Path, tarballs: Path, tmp_path: Path
) -> None:
    stage = dataset_root / staging.NAME
    stage.mkdir()
    (stage / "lock").touch()
    (dataset_root / "_info.json").unlink(missing_ok=True)  # it goes first
    (dataset_root / "SHA256SUMS").rename(stage / "going")
    (dataset_root / "dataset.json").unlink()
    assert files(dataset_root / "train")
    about = convert([tarballs], dataset_root, format="lmdb", options=Options(limit=3))
    assert not stage.exists()
    wanted = convert([tarballs], tmp_path / "new", format="lmdb", options=Options(limit=3))
    assert about == wanted
    assert files(dataset_root) == files(tmp_path / "new")


def test_a_stage_beside_other_files_does_not_make_them_ours(tarballs: Path, tmp_path: Path) -> None:
    (tmp_path / staging.NAME).mkdir()
    (tmp_path / staging.NAME / "lock").touch()
    (tmp_path / "labels.tsv").write_bytes(THESIS)
    with pytest.raises(ConvertError, match=r"neither empty \(there is labels\.tsv\)"):
        convert([tarballs], tmp_path)
    assert (tmp_path / "labels.tsv").read_bytes() == THESIS


def test_a_folder_called_part_is_not_taken_for_a_stage(tarballs: Path, tmp_path: Path) -> None:
    (tmp_path / staging.NAME).mkdir()
    (tmp_path / staging.NAME / "thesis.tex").write_bytes(THESIS)
    with pytest.raises(ConvertError, match=r"neither empty \(there is \.part\)"):
        convert([tarballs], tmp_path, force=True)
    assert files(tmp_path) == {f"{staging.NAME}/thesis.tex": THESIS}


def test_a_forced_dataset_is_readable(dataset_root: Path, tarballs: Path) -> None:
    convert([tarballs], dataset_root, format="tfrecord", force=True, options=Options(limit=3))
    with Dataset.open(dataset_root, "train") as dataset:
        assert len(list(dataset)) == 3


@pytest.mark.parametrize("name", ["thesis.tex", "SHA256SUMS", "train/train-000000.tar"])
def test_a_copy_replaces_no_file_that_no_copy_has_left(
    made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    target = tmp_path / "target"
    (target / name).parent.mkdir(parents=True)
    (target / name).write_bytes(THESIS)
    result = run("copy", made["webdataset"], target)
    assert result.exit_code == 1
    why = "(there already|of another dataset).*; choose another place.*"
    assert re.fullmatch(rf"Error: {target / name}: is {why}\n", result.stderr)
    assert (target / name).read_bytes() == THESIS


def test_a_copy_that_was_damaged_is_copied_again(made: dict[str, Path], tmp_path: Path) -> None:
    assert run("copy", made["lmdb"], tmp_path / "copy").exit_code == 0
    whole = files(tmp_path / "copy")
    (tmp_path / "copy" / "labels.tsv").write_bytes(b"")
    assert ": 1 files copied" in run("copy", made["lmdb"], tmp_path / "copy").stdout
    assert files(tmp_path / "copy") == whole


def test_what_makes_room_in_a_cache_is_of_the_cache(tmp_path: Path) -> None:
    mine = tmp_path / "my-shards" / "thesis.tar"
    mine.parent.mkdir()
    mine.write_bytes(THESIS)
    (tmp_path / "notes.txt").write_bytes(THESIS)
    cache = Cache(tmp_path, 10)
    key = "0123456789abcdef" * 2
    for name in "abc":
        cache.get(f"{key}/{name}", 6, lambda part: None)
    assert [path.name for path in (tmp_path / key).iterdir()] == ["c"]
    assert mine.read_bytes() == (tmp_path / "notes.txt").read_bytes() == THESIS


def test_a_stage_that_was_left_is_removed_and_what_its_lock_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_bytes(THESIS)
    left = tmp_path / "stage" / "imnet-data-run-left"
    left.mkdir(parents=True)
    (left / "lock").symlink_to(tmp_path / "thesis.tex")
    with run_folder.made(tmp_path / "stage"):
        assert not left.exists()
    assert files(tmp_path) == {"thesis.tex": THESIS}


def test_what_a_lock_leads_to_stays(tarballs: Path, tmp_path: Path) -> None:
    locks = ("out/.part/lock", "cache/.locks/room", f"cache/.locks/{'a' * 32}--b")
    theses = [tmp_path / f"{number}.tex" for number in range(len(locks))]
    for lock, thesis in zip(locks, theses, strict=True):
        thesis.write_bytes(THESIS)
        (tmp_path / lock).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / lock).symlink_to(thesis)
    convert([tarballs], tmp_path / "out", options=Options(limit=3))
    Cache(tmp_path / "cache", 10).get(f"{'a' * 32}/b", 6, lambda part: None)
    assert [thesis.read_bytes() for thesis in theses] == [THESIS] * len(locks)
