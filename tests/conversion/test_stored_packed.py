"""JPEGs are stored packed where that is asked for, and come back as they were published."""

import io
import shutil
import tarfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from imnet_data import jpeg
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.dataset.manifest import STORED
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError, FormatError, NotPackable
from imnet_data.formats import FORMATS, get
from imnet_data.inspection import summary
from imnet_data.loaders.jpegs import JpegReader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.transforms import EvalRecipe
from imnet_data.verification.read_back import read_back
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify

HOLDING = [name for name in FORMATS if get(name).PACKED]
PACKED = Options(jpeg="packed", shard_nbytes=64_000)


@pytest.fixture(scope="module")
def packed(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One packed dataset a format that can hold them; not to be changed."""
    root = tmp_path_factory.mktemp("packed")
    for name in HOLDING:
        convert([tarballs], root / name, format=name, options=PACKED, workers=2)
    return {name: root / name for name in HOLDING}


def test_three_formats_hold_packed_jpegs() -> None:
    assert HOLDING == ["webdataset", "lmdb", "tfrecord"]


@pytest.mark.parametrize("name", HOLDING)
def test_what_is_stored_is_packed_and_what_is_read_is_the_original(
    packed: dict[str, Path], made: dict[str, Path], name: str
) -> None:
    with Dataset.open(packed[name], "train") as dataset, Dataset.open(made[name]) as other:
        kinds = [STORED[kind] for kind in dataset.index.stored]
        assert kinds.count("packed") > 140
        for index in range(len(dataset)):
            original, content = dataset[index].jpeg, dataset.stored(index)
            assert original == other[index].jpeg
            assert content == (jpeg.pack(original) if kinds[index] == "packed" else original)
    assert verify(packed[name], decode=True) == []
    digests = [split.digest for split in dataset.about.splits.values()]
    assert digests == [split.digest for split in other.about.splits.values()]


def test_what_could_not_be_packed_is_counted_with_its_reason(packed: dict[str, Path]) -> None:
    with Dataset.open(packed["lmdb"], "train") as dataset:
        why: dict[str, int] = {}
        for record in dataset:
            try:
                jpeg.pack(record.jpeg)
            except NotPackable as error:
                why[str(error)] = why.get(str(error), 0) + 1
        assert why
        assert dataset.split_description.not_seekable == why


def test_no_other_tool_takes_a_packed_record_for_a_jpeg(packed: dict[str, Path]) -> None:
    shard = next(packed["webdataset"].glob("train/*.tar"))
    with tarfile.open(shard) as archive:
        members = {Path(name).suffix for name in archive.getnames()}
        assert ".packed" in members
        for member in archive.getmembers():
            if member.name.endswith(".packed"):
                content = archive.extractfile(member)
                assert content is not None
                with pytest.raises(OSError, match="cannot identify"):
                    Image.open(io.BytesIO(content.read()))
    shard = next(packed["lmdb"].glob("train/*.mdb"))
    with (
        lmdb.open(str(shard), subdir=False, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        versions = {value[14:16] for _, value in transaction.cursor()}
    assert b"\x02\x00" in versions
    records = next(packed["tfrecord"].glob("train/train-*-of-*[0-9]")).read_bytes()
    assert records.count(b"image/packed") > records.count(b"image/encoded")


def test_other_formats_refuse_packed_jpegs_by_name(tarballs: Path, tmp_path: Path) -> None:
    for name in sorted(set(FORMATS) - set(HOLDING)):
        with pytest.raises(ConvertError, match=f"{name} cannot mark packed JPEGs"):
            convert([tarballs], tmp_path / name, format=name, options=PACKED)
        assert not (tmp_path / name).exists()


def test_a_packed_dataset_becomes_any_other_form_again(
    packed: dict[str, Path], made: dict[str, Path], tmp_path: Path
) -> None:
    convert([packed["lmdb"]], tmp_path / "folder", format="folder")
    with Dataset.open(tmp_path / "folder", "train") as dataset:
        for index in range(0, len(dataset), 7):
            assert dataset.stored(index) == dataset[index].jpeg
    seekable = Options(jpeg="seekable", shard_nbytes=64_000)
    convert([packed["lmdb"]], tmp_path / "back", format="webdataset", options=seekable)
    convert([packed["tfrecord"]], tmp_path / "again", format="webdataset")
    for ours, theirs in (("back", made["webdataset"]), ("again", packed["webdataset"])):
        shards = sorted(path.name for path in theirs.glob("train/*.tar"))
        assert shards
        for name in shards:
            one, other = tmp_path / ours / "train" / name, theirs / "train" / name
            assert one.read_bytes() == other.read_bytes()


def test_map_style_datasets_have_the_same_pictures(
    packed: dict[str, Path], made: dict[str, Path]
) -> None:
    pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    from imnet_data.loaders.torch_dataset import ImageNet

    ours, theirs = ImageNet(packed["lmdb"], "train"), ImageNet(made["lmdb"], "train")
    for index in range(0, len(ours), 5):
        (picture, label), (other, other_label) = ours[index], theirs[index]
        assert label == other_label
        assert np.array_equal(np.asarray(picture), np.asarray(other))


def test_a_loader_that_passes_jpegs_on_gives_the_published_ones(
    packed: dict[str, Path], made: dict[str, Path]
) -> None:
    found = []
    for root in (packed["tfrecord"], made["webdataset"]):
        with Dataset.open(root, "val") as dataset:
            schedule = Schedule(count=len(dataset), batch_size=4, last="ragged")
            source = source_of(dataset)
            reader = JpegReader(source, EvalRecipe(), schedule, threads=1, cut=False)
            images = [image for batch in reader.epoch(0) for image in batch.images]
            found.append([jpeg.decode(i) if isinstance(i, bytes) else i for i in images])
            reader.close()
    assert len(found[0]) > 10
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_inspect_shows_the_published_image(packed: dict[str, Path]) -> None:
    shown, content = summary.record(packed["lmdb"], "0", "train")
    assert shown.stored_as == "packed"
    assert shown.is_sound
    assert content == Dataset.open(packed["lmdb"], "train")[0].jpeg


def test_damage_is_named_and_repaired(
    packed: dict[str, Path], tarballs: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(packed["lmdb"], tmp_path / "lmdb"))
    with Dataset.open(root, "train") as dataset:
        index = int(np.flatnonzero(dataset.index.stored == STORED.index("packed"))[0])
        key, path = (
            dataset.index.key[index].decode(),
            dataset.shard_paths[dataset.index.shard[index]],
        )
        at = int(dataset.index.offset[index] + dataset.index.nbytes[index] // 2)
    content = bytearray(path.read_bytes())
    content[at] ^= 16
    path.chmod(0o644)
    path.write_bytes(content)
    differences = verify(root)
    assert any(difference.key == key for difference in differences)
    repair(root, [tarballs], differences)
    assert verify(root) == []
    assert path.read_bytes() == (packed["lmdb"] / "train" / path.name).read_bytes()


def test_libraries_are_not_asked_to_read_packed_records(packed: dict[str, Path]) -> None:
    with pytest.raises(FormatError, match="only imnet-data reads those"):
        read_back(packed["webdataset"])
