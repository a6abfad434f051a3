"""What one format alone can get wrong, or refuses."""

import io
import struct
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import kit
import numpy as np
import pytest

from imnet_data.errors import FormatError
from imnet_data.formats import (
    Format,
    Place,
    Sample,
    ShardSummary,
    beton,
    caffe,
    folder,
    lmdb,
    mds,
    parquet,
    tfrecord,
    webdataset,
)
from imnet_data.record import Record


def _sample(key: str = "n01440764_1", image: bytes = b"image", wnid: str = "n01440764") -> Sample:
    return Sample(Record(key, wnid, image), 0, 4, 3)


@pytest.mark.parametrize("key", ["a.b", "a/b", "a b", "", "k" * 96, "käse", "a\n"])
def test_webdataset_refuses_keys_that_its_tools_would_split(key: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no key for webdataset"):
        kit.write(webdataset, tmp_path / "shard.tar", [_sample(key)])


@pytest.mark.parametrize("module", [lmdb, caffe])
def test_lmdb_refuses_names_that_do_not_fit(module: Format, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="choose another format"):
        kit.write(module, tmp_path / "shard.mdb", [_sample("k" * 512)])


def test_a_folder_refuses_two_records_of_one_key(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="two records have this key"):
        kit.write(folder, tmp_path / "train", [_sample(), _sample()])


def test_a_folder_tells_a_file_of_another_size(tmp_path: Path) -> None:
    kit.write(folder, tmp_path / "train", [_sample()])
    shard = folder.open(tmp_path / "train")
    with pytest.raises(FormatError, match=r"n01440764_1\.JPEG: has 5 bytes, not 6"):
        shard.read(Place("n01440764_1", "n01440764", 0, 6))
    with pytest.raises(FormatError, match=r"n01440764_2\.JPEG: cannot be opened"):
        shard.read(Place("n01440764_2", "n01440764", 0, 6))


def test_every_flipped_bit_of_a_tfrecord_is_found(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    kit.write(tfrecord, path, [_sample()])
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="record 0"):
            kit.walk(tfrecord, path)


def test_every_flipped_bit_of_a_parquet_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    kit.write(parquet, path, [_sample(), _sample("b", b"", "")._replace(label=-1)])
    whole = path.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="shard: "):
            kit.walk(parquet, path)


def test_a_parquet_file_of_another_tool_is_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pq.write_table(arrow.table({"label": [1, 2]}), tmp_path / "other.parquet")
    with pytest.raises(FormatError, match="is no Parquet file as it is described in docs/formats"):
        kit.walk(parquet, tmp_path / "other.parquet")


def test_strangers_in_a_tar_are_named(tmp_path: Path) -> None:
    for name, kind in [("a.jpg", tarfile.SYMTYPE), ("a", tarfile.REGTYPE), ("a.txt", b"0")]:
        with tarfile.open(tmp_path / "shard.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info, io.BytesIO())
        with pytest.raises(FormatError, match=r"shard\.tar"):
            kit.walk(webdataset, tmp_path / "shard.tar")


def _pixels(height: int, width: int, *, seed: int = 0) -> Sample:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Sample(Record(f"n01440764_{seed}", "n01440764", b"jpeg"), seed, width, height, pixels)


def test_a_beton_holds_pixels_and_says_so(tmp_path: Path) -> None:
    samples = [_sample(), _pixels(6, 5), _pixels(2, 3, seed=1), _sample("n01440764_9", b"last")]
    offsets = kit.write(beton, tmp_path / "t.beton", samples)
    images = [stored.image for stored in kit.walk(beton, tmp_path / "t.beton")]
    assert images[0] == b"image"
    assert images[3] == b"last"
    for image, sample in zip(images[1:3], samples[1:3], strict=True):
        assert sample.pixels is not None
        assert image == sample.pixels.tobytes()
    places = [kit.place(sample, offset) for sample, offset in zip(samples, offsets, strict=True)]
    with closing(beton.open(tmp_path / "t.beton")) as shard:
        assert shard.read(places[0]) == b"image"
        for place, image in zip(places[1:3], images[1:3], strict=True):
            assert shard.read(place) == image


def test_pages_grow_to_the_largest_image_and_none_is_crossed(tmp_path: Path) -> None:
    big = [_sample(f"k{number}", bytes([number + 1]) * (3 << 20)) for number in range(7)]
    offsets = kit.write(beton, tmp_path / "t.beton", big)
    assert {offset % (8 << 20) for offset in offsets} == {0, 3 << 20}
    bigger = [*big, _sample("huge", b"\7" * (17 << 20))]
    offsets = kit.write(beton, tmp_path / "u.beton", bigger)
    assert offsets[7] % (32 << 20) == 0
    walked = kit.walk(beton, tmp_path / "u.beton")
    assert [stored.image for stored in walked] == [sample.record.jpeg for sample in bigger]


def test_pixels_of_another_shape_are_a_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not \\(6, 4, 3\\)"):
        kit.write(beton, tmp_path / "t.beton", [_pixels(6, 5)._replace(width=4)])


def test_a_beton_refuses_an_image_without_bytes(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no bytes"):
        kit.write(beton, tmp_path / "t.beton", [_sample(image=b"")])


_ROWS = 24 + 2 * 1041
_TABLE = 16 << 20


@pytest.mark.parametrize(
    ("position", "layout", "value", "message"),
    [
        (0, "<H", 1, "not a beton of version 2"),
        (2, "<H", 3, "not a beton of version 2"),
        (4, "<I", 3 << 20, "has pages of"),
        (4, "<I", 1 << 20, "has pages of"),
        (8, "<Q", 4, "4 records with a table"),
        (8, "<Q", 2**60, "records with a table"),
        (16, "<Q", 0, "is unfinished"),
        (16, "<Q", 2**63, "records with a table"),
        (24, "<B", 1, "other fields"),
        (_ROWS, "<B", 1, "record 0 does not agree"),
        (_ROWS, "<B", 2, "record 0 does not agree"),
        (_ROWS + 24 + 5, "<Q", 2**64 - 1, "record 1 does not agree"),
        (_TABLE, "<Q", 1, "each record once"),
        (_TABLE + 8, "<Q", 0, "allocation 0 is not inside"),
        (_TABLE + 8, "<Q", 2**64 - 1, "allocation 0 is not inside"),
        (_TABLE + 16, "<Q", 0, "allocation 0 is not inside"),
        (_TABLE + 16, "<Q", 2**64 - 1, "allocation 0 is not inside"),
        (_TABLE + 16, "<Q", 8 << 20, "overlap"),
        (_TABLE + 16, "<Q", 6, "overlap"),
    ],
)
def test_damage_to_a_beton_is_named(
    position: int, layout: str, value: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.beton"
    kit.write(beton, path, [_sample("a"), _sample("b"), _sample("c")])
    assert path.stat().st_size == _TABLE + 3 * 24
    with path.open("r+b") as file:
        file.seek(position)
        file.write(struct.pack(layout, value))
    with pytest.raises(FormatError, match=message):
        kit.walk(beton, path)


def _patched(position: int, layout: str, value: int) -> Callable[[bytearray], None]:
    return lambda content: struct.pack_into(layout, content, position, value)


_LEAF = 2 * 4096


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (_patched(16, "<I", 7), "not a meta page of LMDB"),
        (_patched(4096 + 20, "<I", 999), "page 1 is not a meta page"),
        (_patched(40, "<I", 100), "pages of 100 bytes"),
        (_patched(4096 + 94, "<H", 77), "a tree of depth 77"),
        (_patched(4096 + 120, "<Q", 8), "should have 8 records, but has 3"),
        (_patched(4096 + 128, "<Q", 77), "page 77 of"),
        (_patched(4096 + 136, "<Q", 2**40), "that it needs"),
        (_patched(_LEAF, "<Q", 3), "says that it is page 3"),
        (_patched(_LEAF + 10, "<H", 1), "of kind 1"),
        (_patched(_LEAF + 12, "<H", 5000), "free space"),
        (_patched(_LEAF + 16, "<H", 8), "a node outside"),
        (_patched(_LEAF + 16, "<H", 4095), "a node outside"),
        (_patched(3 * 4096, "<Q", 9), "is not in page 3"),
        (_patched(3 * 4096 + 12, "<I", 0), "is not in page 3"),
    ],
)
def test_damage_to_an_lmdb_is_named(
    patch: Callable[[bytearray], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.mdb"
    kit.write(lmdb, path, [_sample("a", b"x" * 5000), _sample("b"), _sample("c")])
    content = bytearray(path.read_bytes())
    patch(content)
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        kit.walk(lmdb, path)


def test_a_tree_that_bites_its_tail_ends(tmp_path: Path) -> None:
    """A branch whose children are itself, in a meta that claims the greatest depth."""
    path = tmp_path / "t.mdb"
    kit.write(lmdb, path, kit.Made(300, nbytes=1000))
    content = bytearray(path.read_bytes())
    (root,) = struct.unpack_from("<Q", content, 4096 + 128)
    struct.pack_into("<H", content, 4096 + 94, 32)
    for index in range(3):
        (node,) = struct.unpack_from("<H", content, root * 4096 + 16 + 2 * index)
        struct.pack_into("<I", content, root * 4096 + node, root)
    path.write_bytes(content)
    with pytest.raises(FormatError, match="of kind 1"):
        kit.walk(lmdb, path)


def test_split_side_files_are_webdatasets_alone() -> None:
    shards = [ShardSummary("train-000000.tar", 5, 100)]
    assert set(webdataset.split_side_files("train", shards)) == {"_info.json", "wids-index.json"}
    for module in (lmdb, caffe, beton, parquet, tfrecord, folder):
        assert module.split_side_files("train", shards) == {}


def test_an_mds_shard_ends_below_what_its_positions_count_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mds, "_MAX_NBYTES", 900)
    many = [_sample(f"n01440764_{number}", bytes(100)) for number in range(9)]
    with pytest.raises(FormatError, match=r"MDS counts to 900; choose a smaller --shard-size"):
        kit.write(mds, tmp_path / "shard", many)


def test_an_mds_shard_of_other_columns_is_refused(tmp_path: Path) -> None:
    kit.write(mds, tmp_path / "shard", [_sample()])
    content = (tmp_path / "shard").read_bytes()
    (tmp_path / "shard").write_bytes(content.replace(b'"wnid"', b'"word"'))
    with pytest.raises(FormatError, match="is no MDS shard with the columns key, wnid, x, y"):
        kit.walk(mds, tmp_path / "shard")
