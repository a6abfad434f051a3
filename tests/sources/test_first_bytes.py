"""Files of other tools are named, with what can be done; none is told to be downloaded again."""

import io
import pickle
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import source_layouts as layouts

from imnet_data.errors import SourceError
from imnet_data.sources import open_sources
from imnet_data.sources.first_bytes import foreign, is_image

WNID = layouts.CLASSES[0]


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, data=np.zeros((2, 12), np.uint8), labels=[1, 2])
    return file.getvalue()


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(9))
    return file.getvalue()


def _shard(suffix: str) -> bytes:
    return layouts.tar_bytes({f"{WNID}_1.jpg": b"x", f"{WNID}_1.{suffix}": b"7"})


FOREIGN = {
    "train.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "train.arrow": (b"ARROW1\0\0", "an Arrow file"),
    "train.npy": (_npy(), "a NumPy array"),
    "train_data.npz": (_npz(), "holds NumPy arrays"),
    "train.rec": (b"\x0a\x23\xd7\xce" + bytes(99), "a RecordIO file"),
    "train_data_batch_1": (pickle.dumps({"data": b"x"}), "a pickle"),
    "train.wds": (_shard("cls"), "a WebDataset shard"),
    "imagenet1k-train-0000.wds": (_shard("json"), "a WebDataset shard"),
    "a.tar.xz": (b"\xfd7zXZ\0" + bytes(99), "compressed by xz; unpack it|compressed by xz"),
    "ILSVRC2012_img_train.tar": (b"\n<!DOCTYPE html><html>", "a web page, as a download without a"),
    "ILSVRC2012_img_val.tar.aa": (
        b"x" * 999,
        r"cat ILSVRC2012_img_val.tar.\* > ILSVRC2012_img_val",
    ),
    "ILSVRC2017_CLS-LOC.tar.gz.part0": (
        b"x" * 999,
        r"cat ILSVRC2017_CLS-LOC.tar.gz.\* > ILSVRC2017",
    ),
    "imagenet.z01": (b"x" * 999, "zip -s 0 imagenet.zip --out"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_tool_is_named(name, tmp_path):
    content, message = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        open_sources([tmp_path / name])
    assert "\n" not in str(caught.value)
    if "web page" not in message:
        assert "download" not in str(caught.value)


@pytest.mark.parametrize("name", ["train.h5", "ILSVRC2012_img_val.tar.aa"])
def test_a_folder_of_such_files_names_them(name, tmp_path):
    (tmp_path / name).write_bytes(FOREIGN[name][0])
    with pytest.raises(SourceError, match=FOREIGN[name][1]):
        open_sources([tmp_path])


@pytest.mark.parametrize("format_name", ["lmdb", "beton", "tfrecord", "webdataset"])
def test_a_shard_of_a_dataset_is_named(made, format_name):
    folder = made[format_name] / "val"
    shard = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    with pytest.raises(SourceError, match=r"given by its folder, the one that has dataset\.json"):
        open_sources([shard])


@pytest.mark.parametrize(
    ("format_name", "message"),
    [
        ("lmdb", "an LMDB database of another name"),
        ("beton", "a beton file of FFCV of another name"),
        ("tfrecord", "a TFRecord file of another name"),
    ],
)
def test_a_file_in_a_folder_whose_name_does_not_say_what_it_is_is_named(
    made, format_name, message, tmp_path
):
    shards = (made[format_name] / "val").iterdir()
    content = max(shards, key=lambda path: path.stat().st_size).read_bytes()
    (tmp_path / "images.bin").write_bytes(content)
    with pytest.raises(SourceError, match=f"{message}; pass it as a SOURCE of its own"):
        open_sources([tmp_path])


@pytest.mark.parametrize(
    "content", [b"", b"x", bytes(2000), b"\xff\xd8\xff\xe0" + bytes(50), b"PK\5\6" + bytes(18)]
)
def test_what_is_no_such_file_is_not_named(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    assert foreign(tmp_path / "file") == ""


def test_other_files_are_no_images(tmp_path):
    sqlite3.connect(tmp_path / "thumbs.db").execute("create table a (b)").connection.close()
    texts = [b"BM is how this text begins", b"RIFF....WAVE", (tmp_path / "thumbs.db").read_bytes()]
    assert not any(is_image(text[:16]) for text in texts)


def test_official_archives_are_not_taken_for_other_files(tarballs: Path):
    assert {foreign(path) for path in tarballs.iterdir() if path.is_file()} == {""}
