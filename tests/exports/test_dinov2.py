"""The tables of DINOv2, read by its own rule, stated anew: a row gives a name, or two offsets."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from imnet_data import Options, convert
from imnet_data.cli import main
from imnet_data.errors import ConvertError, OutputError, SourceError
from imnet_data.exports import dinov2, dinov2_archives
from imnet_data.imagenet import labels
from imnet_data.synth import TRAIN, synth


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("official")
    synth(
        folder, class_count=4, images_per_class=12, val_per_class=2, test_count=3, mean_nbytes=1500
    )
    return folder


@pytest.fixture(scope="module")
def folder(official, tmp_path_factory) -> Path:
    out: Path = tmp_path_factory.mktemp("converted") / "folder"
    convert(official, out, format="folder")
    return out


@pytest.fixture(scope="module")
def archives(official, tmp_path_factory) -> Path:
    """Archives of classes, as the outer archive of fall11 unpacks to."""
    out: Path = tmp_path_factory.mktemp("archives")
    with tarfile.open(official / TRAIN) as whole:
        whole.extractall(out, filter="data")
    return out


def loaded(path: Path) -> NDArray[Any]:
    table: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return table


def image_of_number(root: Path, split: str, row: NDArray[Any]) -> Path:
    """Return the file that `ImageNet` reads for a row: its name is made from a number."""
    number, wnid = row["actual_index"], str(row["class_id"])
    name = f"{wnid}_{number}" if split == "train" else f"ILSVRC2012_{split}_{number:08d}"
    return root / split / wnid / f"{name}.JPEG"


def image_of_extent(root: Path, row: NDArray[Any]) -> bytes:
    """Return what `ImageNet22k` reads for a row: what follows the header of a member."""
    content = (root / f"{row['class_id']}.tar").read_bytes()
    return content[row["start_offset"] : row["end_offset"]][512:]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_each_row_names_a_file_of_the_folder_and_its_class(split, folder, tmp_path):
    exported = dinov2.export(folder, tmp_path)
    assert {path.parent for path in exported.paths} == {tmp_path}
    entries = loaded(tmp_path / f"entries-{split.upper()}.npy")
    files = [image_of_number(folder, split, row) for row in entries]
    assert sorted(files) == sorted((folder / split).rglob("*.JPEG"))
    if split == "test":
        assert set(entries["class_index"].tolist()) == {2**32 - 1}
        assert entries["actual_index"].tolist() == [1, 2, 3]
        assert not list(tmp_path.glob("class-*-TEST.npy"))
        return
    ids = loaded(tmp_path / f"class-ids-{split.upper()}.npy")
    names = loaded(tmp_path / f"class-names-{split.upper()}.npy")
    assert ids.tolist() == sorted(path.name for path in (folder / split).iterdir() if path.is_dir())
    assert ids[entries["class_index"]].tolist() == entries["class_id"].tolist()
    assert names[entries["class_index"]].tolist() == entries["class_name"].tolist()
    assert names[ids.tolist().index("n01440764")] == "tench"


def test_rows_are_in_the_order_of_image_folder(folder, torchvision, tmp_path):
    dinov2.export(folder, tmp_path)
    for split in ("train", "val"):
        samples = torchvision.datasets.ImageFolder(folder / split).samples
        entries = loaded(tmp_path / f"entries-{split.upper()}.npy")
        found = [(str(image_of_number(folder, split, row)), row["class_index"]) for row in entries]
        assert found == samples


def test_columns_have_the_types_that_the_reader_makes(folder, archives, tmp_path):
    dinov2.export(folder, tmp_path)
    dinov2.export(archives, tmp_path)
    train = loaded(tmp_path / "entries-TRAIN.npy").dtype
    assert train.names == ("actual_index", "class_index", "class_id", "class_name")
    assert [train[name].str for name in train.names[:3]] == ["<u4", "<u4", "<U9"]
    of_22k = loaded(tmp_path / "entries.npy").dtype
    assert of_22k.names == ("class_index", "class_id", "start_offset", "end_offset", "filename")
    assert [of_22k[name].str for name in of_22k.names[:4]] == ["<u4", "<U9", "<u4", "<u4"]
    assert loaded(tmp_path / "class-ids.npy").dtype.str == "<U9"


def test_each_row_of_archives_is_the_image_of_its_member(archives, tmp_path):
    exported = dinov2.export(archives, tmp_path)
    assert exported.notes == ()
    entries = loaded(tmp_path / "entries.npy")
    wnids = sorted(path.stem for path in archives.glob("*.tar"))
    assert loaded(tmp_path / "class-ids.npy").tolist() == wnids
    expected = []
    for number, wnid in enumerate(wnids):
        with tarfile.open(archives / f"{wnid}.tar") as archive:
            for member in archive:
                inside = archive.extractfile(member)
                assert inside is not None
                expected.append((number, member.name, inside.read()))
    assert len(expected) == 4 * 12
    for row, (number, name, content) in zip(entries, expected, strict=True):
        assert (row["class_index"], row["filename"]) == (number, name)
        assert image_of_extent(archives, row).rstrip(b"\0") == content.rstrip(b"\0")
        assert image_of_extent(archives, row).startswith(content)


def test_the_file_is_what_numpy_saves(archives, tmp_path):
    dinov2.export(archives, tmp_path)
    content = io.BytesIO()
    np.save(content, np.load(tmp_path / "entries.npy"))
    assert (tmp_path / "entries.npy").read_bytes() == content.getvalue()
    dinov2.export(archives, tmp_path / "again")
    assert (tmp_path / "again/entries.npy").read_bytes() == content.getvalue()


def archive_of(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_members_at_which_the_reader_would_stop_are_left_out_and_counted(tmp_path):
    wnid = "n06470073"
    archive_of(
        tmp_path / f"{wnid}.tar",
        {
            f"{wnid}_1.JPEG": b"\xff\xd8one",
            f"{wnid}_47249.JPEG": b"<html>",
            f"{wnid}_2.JPEG": gzip.compress(b"\xff\xd8two"),
            f"{wnid}_{'3' * 120}.JPEG": b"\xff\xd8three",  # its name has a header of its own
        },
    )
    exported = dinov2.export(tmp_path, tmp_path / "extra")
    assert exported.notes == (
        "left out: 1 gzipped images at rows where DINOv2's reader stops",
        "left out: 1 image that cannot be decoded",
    )
    entries = loaded(tmp_path / "extra/entries.npy")
    assert [image_of_extent(tmp_path, row).rstrip(b"\0") for row in entries] == [
        b"\xff\xd8one",
        b"\xff\xd8three",
    ]


def test_gzipped_members_stay_where_the_reader_expects_them(tmp_path, monkeypatch):
    monkeypatch.setattr(dinov2_archives, "GZIPPED_ROWS", frozenset({1}))
    packed = gzip.compress(b"\xff\xd8two")
    archive_of(
        tmp_path / "n00000001.tar", {"n00000001_1.JPEG": b"\xff\xd8", "n00000001_2.JPEG": packed}
    )
    archive_of(tmp_path / "n00000002.tar", {"n00000002_1.JPEG": packed})
    exported = dinov2.export(tmp_path, tmp_path / "extra")
    assert loaded(tmp_path / "extra/entries.npy")["filename"].tolist() == [
        "n00000001_1.JPEG",
        "n00000001_2.JPEG",
    ]
    assert exported.notes == ("left out: 1 gzipped images at rows where DINOv2's reader stops",)


def test_there_are_26_gzipped_rows_below_fall11s_number_of_images():
    assert len(dinov2_archives.GZIPPED_ROWS) == 26
    assert max(dinov2_archives.GZIPPED_ROWS) < 14_197_122


def test_what_the_reader_cannot_read_is_refused(official, folder, archives, tmp_path):
    convert(official, tmp_path / "lmdb", format="lmdb", split="val")
    with pytest.raises(ConvertError, match="is of format lmdb, and DINOv2 reads image folders"):
        dinov2.export(tmp_path / "lmdb", tmp_path / "extra")
    with pytest.raises(ConvertError, match="neither a dataset of format folder nor a folder of"):
        dinov2.export(official, tmp_path / "extra")
    image = tmp_path / "in/train/n01440764/a photo.JPEG"
    image.parent.mkdir(parents=True)
    image.write_bytes(next((folder / "train/n01440764").iterdir()).read_bytes())
    convert(
        tmp_path / "in", tmp_path / "free", format="folder", options=Options(classes=("found",))
    )
    with pytest.raises(ConvertError, match="makes the names of files from numbers"):
        dinov2.export(tmp_path / "free", tmp_path / "extra")
    cut = tmp_path / "cut"
    cut.mkdir()
    whole = (archives / "n01440764.tar").read_bytes()
    (cut / "n01440764.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"n01440764\.tar: cut short"):
        dinov2.export(cut, tmp_path / "extra")
    assert not list(tmp_path.glob("extra/*"))


def test_files_that_are_there_are_not_replaced(archives, tmp_path):
    dinov2.export(archives, tmp_path)
    with pytest.raises(OutputError, match="exists already"):
        dinov2.export(archives, tmp_path)
    dinov2.export(archives, tmp_path, overwrite=True)


def test_the_command_lists_what_it_wrote_and_notes_what_the_reader_expects(folder, tmp_path):
    result = CliRunner().invoke(main, ["export", "dinov2", str(folder), str(tmp_path)])
    assert result.exit_code == 0, result.output
    names = [Path(line).name for line in result.stdout.splitlines()]
    assert names[:3] == ["entries-TRAIN.npy", "class-ids-TRAIN.npy", "class-names-TRAIN.npy"]
    assert "val has 8 images; DINOv2's reader stops unless there are all 50,000" in result.stderr
    assert set(labels.ilsvrc2012_wnids()) > set(loaded(tmp_path / "class-ids-VAL.npy").tolist())
