"""JPEGs are stored with restart markers by default, and come back as they were published."""

import shutil
from pathlib import Path

from imnet_data import jpeg
from imnet_data.conversion.convert import convert
from imnet_data.dataset import manifest
from imnet_data.dataset.description import Options
from imnet_data.dataset.manifest import STORED
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import NotSeekable
from imnet_data.sources.opening import open_any
from imnet_data.verification.verify import verify


def stored(dataset: Dataset, index: int) -> bytes:
    """Return the bytes of a shard that `index.npy` says are a record's."""
    path: Path = dataset.shard_paths[dataset.index.shard[index]]
    start, nbytes = int(dataset.index.offset[index]), int(dataset.index.nbytes[index])
    return path.read_bytes()[start : start + nbytes]


def test_what_is_stored_is_the_seekable_file_and_what_is_read_is_the_original(
    made: dict[str, Path],
) -> None:
    for name in ("webdataset", "lmdb", "caffe", "beton", "tfrecord"):
        with Dataset.open(made[name], "train") as dataset:
            kinds = [STORED[kind] for kind in dataset.index.stored]
            assert kinds.count("seekable") > 140
            for index in range(0, len(dataset), 9):
                original, content = dataset[index].jpeg, stored(dataset, index)
                if kinds[index] == "seekable":
                    assert content == jpeg.seekable(original) != original
                    assert jpeg.header(content).restart_interval > 0
                else:
                    assert content == original


def test_what_could_not_be_made_seekable_is_counted_with_its_reason(made: dict[str, Path]) -> None:
    with Dataset.open(made["lmdb"], "train") as dataset:
        why: dict[str, int] = {}
        for record in dataset:
            try:
                jpeg.seekable(record.jpeg)
            except NotSeekable as error:
                reason = str(error).removeprefix("left as it is: ")
                why[reason] = why.get(reason, 0) + 1
        assert why
        assert dataset.split_description.not_seekable == why


def test_original_and_seekable_datasets_have_the_same_digest_and_records(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    options = Options(jpeg="original", shard_nbytes=64_000)
    about = convert([tarballs], tmp_path / "original", options=options)
    seekable = Dataset.open(made["webdataset"]).about
    assert [s.digest for s in about.splits.values()] == [s.digest for s in seekable.splits.values()]
    convert([made["webdataset"]], tmp_path / "back", options=Options(jpeg="original"))
    for name in ("train-000000.tar", "manifest.jsonl.zst"):
        again, fresh = tmp_path / "back" / "train" / name, tmp_path / "original" / "train" / name
        assert again.read_bytes() == fresh.read_bytes()


def test_a_folder_made_of_a_seekable_dataset_has_the_published_files(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    convert([made["beton"]], tmp_path / "out", format="folder")
    source = open_any([tarballs])
    compared = 0
    for split, records in source.splits.items():
        fixed = {
            entry.key for entry in Dataset.open(tmp_path / "out", split).entries() if entry.fix
        }
        for index in range(len(records)):
            record = records[index]
            path = tmp_path / "out" / split / record.wnid / f"{record.key}.JPEG"
            if record.key not in fixed:
                assert path.read_bytes() == record.jpeg
                compared += 1
    source.close()
    assert compared == 4 * 37 + 4 * 5 + 7 - 2


def test_a_seekable_file_of_another_image_is_found_by_its_original(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """The manifest says which original is wanted, even where all that is stored agrees."""
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    path = root / "val" / manifest.FILE_NAME
    entries = list(manifest.read(path))
    entries[0] = entries[0]._replace(sha256="0" * 64)
    manifest.write(path, (f"{manifest.to_line(entry)}\n".encode() for entry in entries))
    found = [difference.what for difference in verify(root) if difference.key == entries[0].key]
    assert found == ["the image that is restored is not the original"]


def test_what_cannot_be_restored_or_decoded_is_named(made: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    path = root / "train" / manifest.FILE_NAME
    entries = list(manifest.read(path))
    at = next(number for number, entry in enumerate(entries) if not entry.stored)
    entries[at] = entries[at]._replace(stored="seekable", stored_sha256=entries[at].sha256)
    manifest.write(path, (f"{manifest.to_line(entry)}\n".encode() for entry in entries))
    found = [difference.what for difference in verify(root) if difference.key == entries[at].key]
    assert len(found) == 1
    assert found[0].startswith("cannot be restored: ")

    image = tmp_path / "tree" / "train" / "n01440764" / "n01440764_1.JPEG"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"no image at all")
    kept = Options(bad="keep", classes=("found",))
    convert([tmp_path / "tree"], tmp_path / "kept", options=kept)
    assert verify(tmp_path / "kept") == []
    [difference] = verify(tmp_path / "kept", decode=True)
    assert difference.key == "n01440764_1"
    assert difference.what.startswith("cannot be decoded: ")
