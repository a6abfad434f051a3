"""What was written once is read for ever, and is written to the byte today."""

import hashlib
from pathlib import Path

import kit
import pytest
import zstandard
from generate import FOLDER, golden_samples

from imnet_data import formats

SHA256 = {
    "beton": "54dab05dd14fed4fe22145a43e533c3a26e1e94eabe52e335690b4ee1482e4c1",
    "caffe": "1eecb7698383887a2487bddea4ef892ac930a357fedd55699f937c88af83731c",
    "lmdb": "099f462bcd79c4771597b09e5c9565a219899c4aad5a70f93009dbcea353c403",
    "mds": "856740202392a48504a6d166459765bf48fc6c68daf506343239b6804cc0f0c8",
    "parquet": "ec4a0586c7fc4e067b9ebb81d2630d268145c726e8ed05d9434553cb4c26504d",
    "tfrecord": "0b3ef6c425a3bed4337cde33b5f906784d927c6a58af8135da71da78c4058a5d",
    "webdataset": "1917dfa77e0b0ca2e1bd02e8b387b0b60f1a6ed3fdfa5d3739a06031597ce491",
}


def test_every_format_of_one_file_has_golden_bytes() -> None:
    assert set(SHA256) == set(formats.FORMATS) - {"folder"}


@pytest.mark.parametrize("name", SHA256)
def test_todays_bytes_are_the_golden_ones(name: str, tmp_path: Path) -> None:
    kit.write(formats.get(name), tmp_path / "shard", golden_samples())
    assert hashlib.sha256((tmp_path / "shard").read_bytes()).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", SHA256)
def test_golden_shards_are_read(name: str, tmp_path: Path) -> None:
    packed = (FOLDER / f"{name}.zst").read_bytes()
    (tmp_path / "shard").write_bytes(zstandard.decompress(packed))
    walked = kit.walk(formats.get(name), tmp_path / "shard")
    assert [stored.image for stored in walked] == [s.record.jpeg for s in golden_samples()]
    assert [stored.label for stored in walked] == [1, 0, -1]
    if name != "beton":
        assert [stored.key for stored in walked] == [s.record.key for s in golden_samples()]


def test_a_folders_files_are_named_by_wnid_and_key(tmp_path: Path) -> None:
    kit.write(formats.get("folder"), tmp_path / "shard", golden_samples())
    colour, grey, bare = (sample.record.jpeg for sample in golden_samples())
    assert kit.tree_bytes(tmp_path / "shard") == {
        "ILSVRC2012_test_00000001.JPEG": bare,
        "n01440764/n01440764_10026.JPEG": grey,
        "n01443537/n01443537_16.JPEG": colour,
    }
