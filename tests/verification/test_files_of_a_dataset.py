"""Each file of a dataset has a line in SHA256SUMS; files that are not its own are reported."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset import beside, description, layout, manifest
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError
from imnet_data.formats import get
from imnet_data.verification import strays
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, words)])


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_files_of_a_dataset_follow_from_its_description(
    made: dict[str, Path], format_name: str
) -> None:
    root = made[format_name]
    about = description.read(root)
    record_file = get(about.format).record_file
    of_records = {
        f"{split}/{record_file(entry.wnid, entry.key)}"
        for split in about.splits
        for entry in manifest.read(root / split / manifest.FILE_NAME)
        if record_file is not None
    }
    lines = [name for name, _ in layout.read_sums(root / layout.SUMS)]
    assert [name for name in lines if name not in of_records] == layout.files(about)
    on_disk = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert on_disk == {*lines, layout.SUMS, *beside.contents(about)}


def test_an_emptied_list_of_sums_is_not_sound(dataset_root: Path, format_name: str) -> None:
    (dataset_root / layout.SUMS).write_bytes(b"")
    result = run(dataset_root)
    assert result.exit_code == 1
    for file in layout.files(description.read(dataset_root)):
        assert f"{dataset_root}/{layout.SUMS}: has no line for {file}\n" in result.output
    if format_name == "folder":
        count = sum(path.suffix == ".JPEG" for path in dataset_root.rglob("*"))
        assert result.output.count("does not match its hash in the manifest") == count


def test_every_line_that_is_cut_out_is_missed(dataset_root: Path) -> None:
    path = dataset_root / layout.SUMS
    lines = path.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        path.write_text("".join(lines[:number] + lines[number + 1 :]))
        found = verify(dataset_root)
        assert [difference.file for difference in found] == [layout.SUMS], line
        if number > 10:
            break
    path.write_text("".join(lines[:-1]))
    assert [difference.what for difference in verify(dataset_root)] == [
        "has no line for labels.tsv"
    ]


@pytest.mark.parametrize("name", ["webdataset", "tfrecord"])
def test_a_side_file_without_a_line_does_not_hide_its_damage(
    made: dict[str, Path], tarballs: Path, tmp_path: Path, name: str
) -> None:
    root = Path(shutil.copytree(made[name], tmp_path / name))
    (root / layout.SUMS).write_bytes(b"")
    damage(next(iter(sorted((root / "train").glob("*.idx")))))
    found = verify(root)
    assert found
    repair(root, [tarballs], found)
    assert verify(root) == []
    assert (root / layout.SUMS).read_bytes() == (made[name] / layout.SUMS).read_bytes()


def test_a_line_for_a_file_that_the_dataset_does_not_have_is_reported(dataset_root: Path) -> None:
    with (dataset_root / layout.SUMS).open("a") as lines:
        lines.write(f"{'0' * 64}  train/thesis.tex\n")
    assert [difference.what for difference in verify(dataset_root)] == [
        "has a line for train/thesis.tex, which the dataset does not have"
    ]


def test_what_does_not_belong_to_a_dataset_is_reported_and_moved_when_asked(
    dataset_root: Path, format_name: str, tarballs: Path, made: dict[str, Path]
) -> None:
    names = ["train/n00000001/", "train/train-000999.tar", "notes.txt", "val/.hidden"]
    (dataset_root / names[0]).mkdir()
    (dataset_root / names[0] / "a.JPEG").write_bytes(b"x")
    for name in names[1:]:
        (dataset_root / name).write_bytes(b"x")
    if format_name == "folder":
        names.append("train/n01440764/extra.JPEG")
        (dataset_root / names[-1]).write_bytes(b"x")
    found = verify(dataset_root)
    assert found == [(name, strays.WHAT, "") for name in sorted(names)]
    assert repair(dataset_root, [tarballs], found) == []
    assert run(dataset_root, "--repair", tarballs).exit_code == 1
    assert all((dataset_root / name).exists() for name in names)

    moved = run(dataset_root, "--move-strays")
    assert moved.exit_code == 0, moved.output
    assert f"{dataset_root}/notes.txt: moved to {dataset_root}/.strays/notes.txt" in moved.stderr
    assert (dataset_root / ".strays/train/n00000001/a.JPEG").read_bytes() == b"x"
    (dataset_root / "notes.txt").write_bytes(b"y")
    assert run(dataset_root, "--move-strays").exit_code == 0
    assert (dataset_root / ".strays/notes.txt").read_bytes() == b"x"
    assert (dataset_root / ".strays/notes.txt.2").read_bytes() == b"y"
    assert verify(dataset_root) == []


def test_nothing_is_moved_while_the_rest_is_not_sound(dataset_root: Path) -> None:
    """Were a split's name damaged in the description, all of the split would be strays."""
    (dataset_root / "notes.txt").write_bytes(b"x")
    damage(dataset_root / "labels.tsv")
    before = sorted(dataset_root.rglob("*"))
    with pytest.raises(ConvertError, match="known once the rest is sound, so nothing is moved"):
        strays.move_aside(dataset_root, verify(dataset_root))
    assert sorted(dataset_root.rglob("*")) == before


def test_a_folder_dataset_without_a_manifest_calls_no_image_a_stray(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["folder"], tmp_path / "folder"))
    (root / "train" / manifest.FILE_NAME).write_bytes(b"")
    (root / layout.SUMS).write_bytes(b"")
    assert strays.WHAT not in {difference.what for difference in verify(root)}


def test_a_split_that_lies_elsewhere_is_part_of_the_dataset(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    (root / "train").rename(tmp_path / "disk")
    (root / "train").symlink_to(tmp_path / "disk")
    assert verify(root) == []
    (tmp_path / "disk" / "stray").touch()
    assert [difference.file for difference in verify(root)] == ["train/stray"]


def test_an_unfinished_conversion_is_no_stray(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path / "out", options=Options(limit=2))
    (tmp_path / "out" / ".part").mkdir()
    (tmp_path / "out" / ".part" / "lock").touch()
    assert verify(tmp_path / "out") == []
