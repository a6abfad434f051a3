"""Files that other libraries wrote: read in place, to the bytes of the tarballs, or refused."""

import json
import shutil
from pathlib import Path

import pytest
import tool_writers
from click.testing import CliRunner
from opened_sources import read, refused

from imnet_data import convert
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.record import Record
from imnet_data.sources import open_sources

WRITERS = {
    "tf_scripts": "",
    "tfds": "",
    "mds_with_names": "sorted",
    "litdata_dicts": "",
    "caffe_lmdb": "",
    "path_lmdb": "",
}
WITH_NAMES = ("tf_scripts", "tfds", "litdata_dicts")
WITHOUT_NAMES = ("mds", "litdata_tuples")


def without_boxes(tarballs: Path) -> dict[str, list[Record]]:
    found = read(tarballs)
    return {split: found[split] for split in ("train", "val")}


@pytest.fixture(scope="module")
def published(tarballs) -> dict[str, list[Record]]:
    return without_boxes(tarballs)


@pytest.fixture(scope="module")
def written(published, tmp_path_factory, torchvision):
    """Write by a library, once; train in an order of its own."""
    del torchvision  # which streaming imports
    made: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            for split, records in published.items():
                folder = made[name] / split
                folder.mkdir()
                count = len(records)
                shuffled = [records[at * 11 % count] for at in range(count)]
                getattr(tool_writers, name)(folder, shuffled)
        return made[name]

    return write


@pytest.mark.parametrize("name", WRITERS)
def test_what_another_library_wrote_has_the_bytes_of_the_tarballs(
    name, written, published, tarballs, tmp_path
):
    root = written(name)
    space = WRITERS[name] or None
    assert read(root, labels=space) == published
    options = Options(shard_nbytes=64_000, classes=("found",), labels=space)
    ours = convert(root, tmp_path / "ours", options=options, workers=2)
    options = Options(shard_nbytes=64_000, classes=("found",))
    theirs = convert(tarballs, tmp_path / "tar", options=options, workers=2)
    for split, described in ours.splits.items():
        assert described.digest == theirs.splits[split].digest
        for shard in described.shards:
            of_split = f"{split}/{shard.name}"
            same = (tmp_path / "tar" / of_split).read_bytes()
            assert (tmp_path / "ours" / of_split).read_bytes() == same


@pytest.mark.parametrize("name", WITHOUT_NAMES)
def test_integers_alone_are_looked_up_in_the_space_that_is_named_and_never_guessed(
    name, written, published
):
    root = written(name)
    message = refused(root)
    assert "no wnid in its name; say what its labels mean with --labels" in message
    found = read(root, labels="sorted")
    for split, records in published.items():
        assert sorted((record.wnid, record.jpeg) for record in found[split]) == sorted(
            (record.wnid, record.jpeg) for record in records
        )
        assert len({record.key for record in found[split]}) == len(records)
    mistaken = read(root, labels="22k", split="train")["train"]
    wnid_of = {record.jpeg: record.wnid for record in mistaken}
    assert all(wnid_of[record.jpeg] != record.wnid for record in published["train"])


@pytest.mark.parametrize("name", [*WRITERS, *WITHOUT_NAMES])
def test_a_source_is_inspected_before_it_is_converted_and_listed_twice_alike(name, written):
    root = written(name)
    words = ["inspect", str(root), "--labels", "tf" if name == "tf_scripts" else "sorted"]
    first, second = (CliRunner().invoke(main, words) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    assert "148 images of 4 classes" in first.output
    assert "20 images of 4 classes" in first.output


@pytest.mark.parametrize("name", ["mds", "litdata_tuples", "litdata_dicts", "tf_scripts", "tfds"])
def test_a_file_that_is_cut_is_one_line(name, written, tmp_path):
    root = shutil.copytree(written(name), tmp_path / "cut")
    files = sorted(path for path in (root / "train").iterdir() if path.stat().st_size > 10_000)
    file, whole = files[0], files[0].read_bytes()
    for keep in (0, 3, 11, 40, len(whole) // 2, len(whole) - 5):
        file.write_bytes(whole[:keep])
        assert file.name in refused(root, *([] if name in WITH_NAMES else ["--labels", "sorted"]))


@pytest.mark.parametrize("name", ["mds", "litdata_tuples", "caffe_lmdb"])
def test_a_file_that_becomes_shorter_while_it_is_read_is_named(name, written, tmp_path):
    root = shutil.copytree(written(name), tmp_path / "shrunk")
    source = open_sources(root, labels="sorted", split="val")
    for path in (root / "val").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SourceError, match="became shorter while it was read"):
        source.splits["val"][3]
    source.close()


def test_labels_that_the_names_deny_are_refused(written):
    assert "is n" in refused(written("tf_scripts"), "--labels", "sorted")
    assert "is n" in refused(written("caffe_lmdb"), "--labels", "tf")
    assert "its own class list says that label 0 is n01440764" in (
        refused(written("tfds"), "--labels", "ilsvrc")
    )


def test_the_checksum_of_a_record_is_compared_when_its_image_is_read(written, tmp_path):
    root = shutil.copytree(written("tf_scripts"), tmp_path / "flipped")
    path = root / "val" / "val-00000-of-00002"
    content = bytearray(path.read_bytes())
    at = content.index(b"\xff\xd8\xff") + 300
    content[at] ^= 1
    path.write_bytes(content)
    source = open_sources(root, split="val")
    records = source.splits["val"]
    faults = []
    for number in range(len(records)):
        try:
            records[number]
        except SourceError as error:
            faults.append(str(error))
    source.close()
    assert len(faults) == 1
    assert "does not have its checksum" in faults[0]
    assert "val-00000-of-00002, byte 0" in faults[0]


def test_a_number_of_records_that_dataset_info_denies_is_refused(written, tmp_path):
    root = shutil.copytree(written("tfds"), tmp_path / "denied")
    path = root / "train" / "dataset_info.json"
    about = json.loads(path.read_text())
    about["splits"][0]["shardLengths"] = ["147"]
    path.write_text(json.dumps(about))
    assert "has 148 images, and the list beside it says 147" in refused(root)
    path.write_text("{")
    assert "dataset_info.json: is damaged" in refused(root)


def test_a_part_that_is_not_there_is_noted(written, tmp_path):
    root = shutil.copytree(written("tf_scripts"), tmp_path / "part")
    (root / "train" / "train-00001-of-00002").unlink()
    source = open_sources(root)
    assert any("train: 1 of its 2 files were found" in note for note in source.notes)
    source.close()


@pytest.fixture(scope="module")
def betons(published, tmp_path_factory) -> tuple[Path, Path]:
    """A beton of JPEGs and one of pixels."""
    folder = tmp_path_factory.mktemp("ffcv")
    jpegs, pixels = folder / "train_500_0.50_90.ffcv", folder / "val_pixels.beton"
    tool_writers.ffcv(jpegs, pixels, published["train"][:9])
    return jpegs, pixels


def test_a_beton_of_ffcv_gives_the_jpegs_that_it_holds(betons, published, tmp_path):
    jpegs, _ = betons
    found = read(jpegs, labels="sorted")["train"]
    assert [record.wnid for record in found] == [record.wnid for record in published["train"][:9]]
    assert [record.key for record in found] == [f"train_500_0_50_90_{n}" for n in range(9)]
    assert all(record.jpeg.startswith(b"\xff\xd8") for record in found)
    assert "no wnid in its name" in refused(jpegs)
    whole = jpegs.read_bytes()
    for keep in (12, 1000, 8 << 20, len(whole) - 10):
        (tmp_path / "train.beton").write_bytes(whole[:keep])
        assert "train.beton" in refused(tmp_path / "train.beton", "--labels", "sorted")


def test_a_beton_with_pixels_is_refused_by_number(betons):
    message = refused(betons[1], "--labels", "sorted")
    assert "9 of its 9 images are stored as pixels, the first is record 0" in message


def test_compressed_chunks_and_shards_are_named_with_what_to_do(written, tmp_path):
    root = shutil.copytree(written("litdata_tuples"), tmp_path / "packed")
    index = root / "train" / "index.json"
    about = json.loads(index.read_text())
    about["config"]["compression"] = "zstd"
    index.write_text(json.dumps(about))
    assert "compression (zstd), which is not read; write them again" in (
        refused(root, "--labels", "sorted")
    )
    root = shutil.copytree(written("mds"), tmp_path / "zipped")
    (root / "train" / "shard.00000.mds").unlink()
    index = root / "train" / "index.json"
    about = json.loads(index.read_text())
    about["shards"][0]["zip_data"] = {"basename": "shard.00000.mds.zstd", "bytes": 1, "hashes": {}}
    index.write_text(json.dumps(about))
    assert "its shard shard.00000.mds is not there; it is compressed: unpack" in (
        refused(root, "--labels", "sorted")
    )


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (b"\x80\x04\x95pickled", "it looks like a pickle"),
        (b"\x00\x00\x00", "is neither an image nor Caffe's Datum"),
        (tool_writers.datum(b"\0" * 300, 3, encoded=False), "has pixels, and only encoded images"),
    ],
)
def test_a_value_that_does_not_say_what_it_is_is_refused(value, match, tmp_path):
    lmdb = pytest.importorskip("lmdb", reason="lmdb is not installed")
    (tmp_path / "train").mkdir()
    with (
        lmdb.open(str(tmp_path / "train"), map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"00000000", value)
    assert match in refused(tmp_path, "--labels", "sorted")


def test_shards_of_a_dataset_of_ours_are_given_by_its_folder(made):
    for name in ("tfrecord", "beton", "lmdb", "caffe"):
        message = refused(made[name] / "train")
        assert f"the one that has dataset.json: {made[name]}" in message


def test_a_folder_of_official_archives_has_no_files_of_other_tools(tarballs):
    source = open_sources(tarballs)
    assert not any("were read" in note for note in source.notes)
    source.close()


def test_the_classes_of_the_sorted_order_are_those_of_tensorflow_less_one():
    assert labels.wnids_of("tf")[1:] == labels.wnids_of("sorted")
