"""Layouts that are not the official ones: each is read whole, or refused; none leaks into train."""

import gzip
import os
import zipfile
from pathlib import Path
from urllib.parse import unquote

import opened_sources
import pytest
import source_layouts as layouts
from click.testing import CliRunner

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import SourceError, SplitError
from imnet_data.imagenet.split_names import SPLITS, SYNONYMS, split_of
from imnet_data.record import Record
from imnet_data.sources import open_sources

WNID, OTHER = layouts.CLASSES[:2]
A, B = f"{WNID}/{WNID}_1.JPEG", f"{OTHER}/{OTHER}_2.JPEG"
Files = dict[str, bytes]


def _folder(path: Path, files: Files) -> Path:
    return layouts.write_files(path, files)


def _tar(path: Path, files: Files) -> Path:
    return layouts.write_tar(path.with_name("archive.tar"), files)


def _tar_gz(path: Path, files: Files) -> Path:
    return layouts.write_tar(path.with_name("archive.tar.gz"), files)


def _zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path.with_name("archive.zip"), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.with_name("archive.zip")


CONTAINERS = [_folder, _tar, _tar_gz, _zip]


def _keys(found: dict[str, list[Record]]) -> dict[str, list[str]]:
    return {split: [record.key for record in records] for split, records in found.items()}


@pytest.mark.parametrize("make", CONTAINERS)
@pytest.mark.parametrize(
    ("name", "split"), [(name, split) for split, names in SYNONYMS.items() for name in names]
)
def test_every_name_of_a_split_is_understood_in_every_container(make, name, split, tmp_path):
    files = {f"{name}/{A}": b"a", f"{name}/{B}": b"b"}
    other = "val" if split == "train" else "train"
    files[f"{other}/{WNID}/{WNID}_9.JPEG"] = b"c"
    found = opened_sources.read(make(tmp_path / "in", files), spool=tmp_path / "spool")
    assert _keys(found) == {split: [f"{WNID}_1", f"{OTHER}_2"], other: [f"{WNID}_9"]}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("imagenet21k_train", "train"),
        ("imagenet21k_val", "val"),
        ("imagenet21k_small_classes", "small_classes"),
        ("ILSVRC2012_img_train", "train"),
        ("ILSVRC2012_img_val", "val"),
        ("ILSVRC2012_img_test_v10102019", "test"),
        ("Validation", "val"),
        ("val_images", "val"),
        ("train_images_3", "train"),
        ("trainer", ""),
        ("val_backup", ""),
        ("retrain", ""),
        ("annotations", ""),
        ("", ""),
    ],
)
def test_a_name_of_a_split_may_have_something_before_it(name, split):
    assert split_of(name) == split


def test_the_table_of_split_names_is_on_the_page_of_sources():
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
    table = page.split("| split | names |")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    found = {split.strip("`"): tuple(names.replace("`", "").split(", ")) for split, names in rows}
    assert found == SYNONYMS


@pytest.mark.parametrize("make", CONTAINERS)
def test_the_three_parts_of_21k_are_three_splits(make, tmp_path):
    files = {
        f"imagenet21k_resized/imagenet21k_{part}/{WNID}/{WNID}_{at}.JPEG": part.encode()
        for at, part in enumerate(("train", "val", "small_classes"))
    }
    found = opened_sources.read(make(tmp_path / "in", files), spool=tmp_path / "spool")
    assert _keys(found) == {
        "train": [f"{WNID}_0"],
        "val": [f"{WNID}_1"],
        "small_classes": [f"{WNID}_2"],
    }
    assert tuple(found) == tuple(split for split in SPLITS if split in found)


@pytest.mark.parametrize("make", CONTAINERS)
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({f"train/{A}": b"", f"holdout/{B}": b""}, "holdout"),
        ({f"train/{A}": b"", f"{B}": b""}, "their split is not known|lie in different folders"),
        ({f"train/val/{A}": b""}, "names the splits train and val"),
        (
            {f"train/{A}": b"", f"train/fish/{B}": b""},
            r"folder 'train/fish/\w+' is not|'train/fish' is",
        ),
        ({f"a/{A}": b"", f"b/{B}": b""}, "no images found|lie in different folders"),
    ],
)
def test_a_folder_that_is_not_understood_is_refused(make, files, message, tmp_path):
    with pytest.raises(SourceError, match=message):
        open_sources([make(tmp_path / "in", files)])


def test_a_folder_without_images_beside_a_split_is_left_out_and_told(tmp_path):
    layouts.write_files(tmp_path, {f"train/{A}": b"a", "models/resnet.pt": b"x"})
    source = open_sources([tmp_path])
    assert source.notes == (
        f"{tmp_path / 'models'} was left out: its name is not that of a split or a class",
    )
    source.close()


@pytest.mark.parametrize("name", ["imagenet21k_val", "validation"])
def test_a_folder_or_an_archive_of_one_split_is_known_by_its_own_name(name, tmp_path):
    files = {A: b"a", f"{OTHER}/1.jpg": b"b"}
    folder = layouts.write_files(tmp_path / name, files)
    archive = layouts.write_tar(tmp_path / f"{name}.tar", files)
    for path in (folder, archive):
        assert _keys(opened_sources.read(path)) == {"val": ["1", f"{WNID}_1"]}
        with pytest.raises(SplitError, match="no split 'train'; looked for"):
            open_sources([path], split="train")


def test_an_archive_whose_name_contradicts_what_it_holds_is_refused(tmp_path):
    path = layouts.write_tar(tmp_path / "ILSVRC2012_img_val.tar", {A: b"a"})
    with pytest.raises(SourceError, match="is called as val, and has images of train; rename it"):
        open_sources([path])
    path = layouts.write_tar(tmp_path / "val.tar", {f"train/{A}": b"a"})
    with pytest.raises(
        SourceError, match="of train by its folder, in an archive that is called as val"
    ):
        open_sources([path])


@pytest.mark.parametrize("as_folder", [False, True])
def test_archives_of_classes_are_read_on_their_own_and_in_a_folder(as_folder, tmp_path):
    for name, content in layouts.train_tar_files().items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path] if as_folder else sorted(tmp_path.iterdir())
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    source = open_sources(paths)
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 (21,841 would be too many)
    source.close()
    assert opened_sources.read(*paths) == {"train": layouts.everything()["train"]}


def test_archives_of_classes_lie_in_folders_of_splits(tmp_path):
    inner = layouts.tar_bytes({f"{WNID}_1.JPEG": b"v"})
    layouts.write_files(tmp_path, {f"train/{A}": b"a", f"val/{WNID}.tar": inner})
    assert opened_sources.read(tmp_path)["val"] == [Record(f"{WNID}_1", WNID, b"v")]


def test_an_archive_beside_the_folder_of_its_class_is_counted_not_read(tmp_path):
    inner = layouts.tar_bytes({f"{WNID}_1.JPEG": b"a"})
    layouts.write_files(tmp_path, {f"train/{A}": b"a", f"train/{WNID}.tar": inner})
    source = open_sources([tmp_path])
    assert len(source.splits["train"]) == 1
    assert source.left_out["archives whose class has its folder beside them"].count == 1
    source.close()


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("ILSVRC2017_CLS-LOC.tar.gz", "ILSVRC/Data/CLS-LOC/train/"),
        ("winter21_whole.tar", "winter21_whole/"),
        ("winter21_whole.tar.gz", "winter21_whole/"),
        ("fall11_whole.tar", ""),
        ("imagenet21k_resized.tar.gz", "imagenet21k_resized/imagenet21k_train/"),
    ],
)
def test_a_folder_may_hold_one_known_archive(name, prefix, tmp_path):
    files = {f"{prefix}{A}": b"a"}
    if "whole" in name:
        files = {f"{prefix}{WNID}.tar": layouts.tar_bytes({f"{WNID}_1.JPEG": b"a"})}
    layouts.write_tar(tmp_path / "in" / name, files)
    found = opened_sources.read(tmp_path / "in", spool=tmp_path / "spool")
    assert found == {"train": [Record(f"{WNID}_1", WNID, b"a")]}


@pytest.mark.parametrize("make", CONTAINERS)
def test_folders_are_called_as_the_archives_they_came_from(make, tmp_path):
    files = {
        f"ILSVRC2012_img_train/{A}": b"a",
        "val/ILSVRC2012_img_val/ILSVRC2012_val_00000001.JPEG": b"b",
    }
    found = opened_sources.read(make(tmp_path / "in", files), spool=tmp_path / "spool")
    assert _keys(found) == {"train": [f"{WNID}_1"], "val": ["ILSVRC2012_val_00000001"]}


def test_a_whole_devkit_labels_a_part_of_val(tmp_path):
    layouts.official(tmp_path / "whole")
    layouts.write_files(tmp_path, {"val/ILSVRC2012_val_00000003.JPEG": b"x"})
    source = open_sources([tmp_path / "val", tmp_path / "whole" / layouts.DEVKIT])
    assert source.splits["val"][0].wnid == layouts.VAL_WNIDS[2]
    assert source.notes == (
        f"val: 1 of the 6 images that the ground truth of {layouts.DEVKIT} has",
    )
    source.close()


@pytest.mark.parametrize("make", CONTAINERS)
def test_one_name_in_two_classes_takes_the_class_into_the_key(make, tmp_path):
    files = {
        f"train/{WNID}/1.jpg": b"a",
        f"train/{OTHER}/1.jpg": b"b",
        f"train/{OTHER}/2.jpg": b"c",
    }
    found = opened_sources.read(make(tmp_path / "in", files), spool=tmp_path / "spool")["train"]
    assert [unquote(record.key) for record in found] == ["2", f"{WNID}/1", f"{OTHER}/1"]
    assert [(record.wnid, record.jpeg) for record in found] == [
        (OTHER, b"c"),
        (WNID, b"a"),
        (OTHER, b"b"),
    ]


@pytest.mark.parametrize("make", CONTAINERS)
def test_names_that_cannot_be_keys_are_quoted_reversibly(make, tmp_path):
    stems = ["two words", "a.b", "fänger", "100%", "100%25", "tab\there", "n01440764%2F1"]
    files = {f"val/{WNID}/{stem}.JPEG": stem.encode() for stem in stems}
    found = opened_sources.read(make(tmp_path / "in", files), spool=tmp_path / "spool")["val"]
    assert {unquote(record.key): record.jpeg.decode() for record in found} == dict(
        zip(stems, stems, strict=True)
    )
    assert not any(
        set(record.key) - set(map(chr, range(33, 127))) | set(record.key) & set("./")
        for record in found
    )


def test_a_name_of_bytes_that_are_no_text_is_quoted(tmp_path):
    folder = layouts.write_files(tmp_path, {f"val/{WNID}/ok.JPEG": b"x"}) / "val" / WNID
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.JPEG"))).write_bytes(b"y")
    assert [record.key for record in opened_sources.read(tmp_path)["val"]] == ["%FF%FE", "ok"]


def test_what_a_mac_puts_into_an_archive_is_counted(tmp_path):
    files = {f"._{WNID}.tar": b"x" * 200, **layouts.train_tar_files()}
    path = layouts.write_tar(tmp_path / "ILSVRC2012_img_train.tar", files)
    source = open_sources([path])
    assert source.left_out["hidden files"].count == 1
    source.close()
    assert opened_sources.read(path) == {"train": layouts.everything()["train"]}


def test_a_gzipped_image_is_unpacked_and_counted_as_a_fix(records, tmp_path):
    record = records[0]
    inner = {f"{record.key}.JPEG": gzip.compress(record.jpeg, mtime=0)}
    path = layouts.write_tar(
        tmp_path / "ILSVRC2012_img_train.tar", {f"{record.wnid}.tar": layouts.tar_bytes(inner)}
    )
    about = convert([path], tmp_path / "out", options=Options(classes=("found",), jpeg="original"))
    assert about.splits["train"].fixes == {"gzip-unpacked": 1}
    stored = (tmp_path / "out/train/train-000000.tar").read_bytes()
    assert record.jpeg in stored
    words = ["convert", str(path), str(tmp_path / "strict"), "--classes", "found", "--bad", "error"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "is a GZIP, not a JPEG" in done.stderr


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b\x08\x00" + bytes(20), gzip.compress(b"x" * 99, mtime=0)[:-4]]
)
def test_a_gzipped_image_that_is_damaged_is_one_line(content, tmp_path):
    layouts.write_files(tmp_path / "in", {f"train/{A}": content})
    words = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--classes", "found"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("make", CONTAINERS)
@pytest.mark.parametrize(
    "name", ["a.Jpeg", "a.png", "a.PNG", "a.webp", "a.GIF", "a.tif", "a", "a.dat"]
)
def test_images_are_known_by_any_suffix_and_by_their_first_bytes(make, name, tmp_path):
    png = b"\x89PNG\r\n\x1a\n" + bytes(30)
    files = {
        f"train/{WNID}/{name}": png,
        f"train/{WNID}/notes.txt": b"no image, long enough",
        f"val/{A}": b"a",
    }
    source = open_sources([make(tmp_path / "in", files)], spool=tmp_path / "spool")
    assert source.splits["train"].listing.keys.tolist() == [b"a"]
    assert source.left_out["files that are no images"].count == 1
    source.close()


@pytest.mark.parametrize("make", CONTAINERS)
def test_hidden_folders_are_counted(make, tmp_path):
    files = {f"train/{A}": b"a", f"train/{WNID}/.ipynb_checkpoints/{WNID}_2.JPEG": b"b"}
    source = open_sources([make(tmp_path / "in", files)], spool=tmp_path / "spool")
    assert len(source.splits["train"]) == 1
    assert {name: reason.count for name, reason in source.left_out.items()} == {
        "hidden folders" if make is _folder else "hidden files": 1
    }
    source.close()


def test_gzipped_official_archives_in_a_folder_are_unpacked(tmp_path):
    layouts.write_tar(tmp_path / "in" / "ILSVRC2012_img_train.tar.gz", layouts.train_tar_files())
    found = opened_sources.read(tmp_path / "in", spool=tmp_path / "spool")
    assert found == {"train": layouts.everything()["train"]}


def test_a_compressed_archive_of_images_without_suffixes_is_unpacked(tmp_path):
    jpeg = b"\xff\xd8\xff" + bytes(3 << 20)
    path = layouts.write_tar(tmp_path / "a.tar.gz", {f"train/{WNID}/{n}": jpeg for n in "ab"})
    found = opened_sources.read(path, spool=tmp_path / "spool")
    assert found == {"train": [Record("a", WNID, jpeg), Record("b", WNID, jpeg)]}


def test_two_compressed_archives_of_one_name_and_time_are_both_read(tmp_path):
    files = {"a": {f"train/{A}": b"a"}, "b": {f"val/{B}": b"b"}}
    paths = [layouts.write_tar(tmp_path / name / "images.tar.gz", files[name]) for name in files]
    for path in paths:
        os.utime(path, (1, 1))
    found = opened_sources.read(*paths, spool=tmp_path / "spool")
    assert _keys(found) == {"train": [f"{WNID}_1"], "val": [f"{OTHER}_2"]}


def test_an_archive_of_an_unknown_name_in_a_folder_is_named(tmp_path):
    layouts.write_files(tmp_path, {f"train/{A}": b"a"})
    layouts.write_tar(tmp_path / "more.tar", {f"train/{B}": b"b"})
    source = open_sources([tmp_path])
    assert source.notes == (
        "more.tar was left out, because archives in a folder are recognised by their names; to "
        "convert it, pass it as a SOURCE",
    )
    source.close()


def test_one_split_of_small_classes_is_converted_and_opened(records, tmp_path):
    for part, record in zip(("train", "small_classes"), records, strict=False):
        path = tmp_path / f"in/imagenet21k_{part}" / record.wnid / f"{record.key}.JPEG"
        path.parent.mkdir(parents=True)
        path.write_bytes(record.jpeg)
    about = convert([tmp_path / "in"], tmp_path / "out", options=Options(classes=("found",)))
    assert list(about.splits) == ["train", "small_classes"]
    assert [record.key for record in Dataset.open(tmp_path / "out", "small_classes")] == [
        records[1].key
    ]
