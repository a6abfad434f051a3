"""A compressed archive of images is unpacked once, or read in place, as the order needs it."""

import logging
import tarfile
from pathlib import Path

import pytest
import store_kit

from imnet_data import Options, convert, dry_run
from imnet_data.dataset import opened
from imnet_data.imagenet import labels
from imnet_data.synth import TRAIN, synth

FOUND = ("found",)
IN_PLACE = Options(classes=FOUND, order="sorted", shard_nbytes=30_000)


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> tuple[Path, Path]:
    """A tar of tars, and the same as winter21_whole.tar.gz has it."""
    folder = tmp_path_factory.mktemp("archives")
    synth(
        folder, class_count=5, images_per_class=9, val_per_class=0, test_count=0, mean_nbytes=2000
    )
    packed = folder / "winter21_whole.tar.gz"
    with tarfile.open(folder / TRAIN) as plain, tarfile.open(packed, "w:gz") as whole:
        for member in plain:
            inside = plain.extractfile(member)
            member.name = f"winter21_whole/{member.name}"
            whole.addfile(member, inside)
    return folder / TRAIN, packed


def shards(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "train").glob("*.tar"))}


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_both_ways_give_the_shards_of_the_plain_archive(archives, order, tmp_path, caplog):
    plain, packed = archives
    options = Options(classes=FOUND, order=order, shard_nbytes=30_000)
    convert(plain, tmp_path / "plain", options=options, workers=2)
    with caplog.at_level(logging.INFO, "imnet_data"):
        convert(packed, tmp_path / "packed", options=options, workers=2)
    assert len(shards(tmp_path / "plain")) > 3
    assert shards(tmp_path / "packed") == shards(tmp_path / "plain")
    # what it costs is told before anything is listed
    first = caplog.messages[0]
    assert first.startswith("winter21_whole.tar.gz is compressed; decompressing all of it takes")
    assert ("It is read in place" in first) == (order == "sorted")
    assert ("It is unpacked once" in first) == (order == "shuffled")


def test_reading_in_place_leaves_no_copy_of_the_archive_at_any_time(
    archives, tmp_path, monkeypatch
):
    _, packed = archives
    seen = []

    def look(step: object) -> None:
        seen.append(sorted(path.name for path in (tmp_path / "out/.part").iterdir()))

    convert(packed, tmp_path / "out", options=IN_PLACE, workers=1, progress=look)
    assert seen
    assert not any("spool" in names for names in seen)
    assert opened.is_dataset(tmp_path / "out")


def test_on_the_way_to_a_store_it_is_unpacked_on_the_stage(archives, front, store_folder, tmp_path):
    plain, packed = archives
    options, stage = Options(classes=FOUND, shard_nbytes=30_000), tmp_path / "stage"
    convert(plain, tmp_path / "plain", options=options, workers=1)
    seen = []

    def look(step: object) -> None:
        seen.extend(stage.glob("*/spool"))

    url = f"s3://{store_kit.BUCKET}/{tmp_path.name}"
    convert(packed, url, options=options, stage=stage, workers=1, progress=look)
    assert seen
    assert not list(stage.iterdir())
    assert shards(store_folder / store_kit.BUCKET / tmp_path.name) == shards(tmp_path / "plain")


def test_a_dry_run_tells_what_either_way_takes(archives, tmp_path):
    _, packed = archives
    [note] = [
        line for line in dry_run(packed, tmp_path / "a", options=IN_PLACE) if "in place" in line
    ]
    assert "for its images, 1.0 times its " in note
    lines = dry_run(packed, tmp_path / "a", options=Options(classes=FOUND))
    [note] = [line for line in lines if "in place" in line]
    assert "will be unpacked, to " in note
    assert not (tmp_path / "a").exists()


def test_val_is_sorted_anyway_so_it_is_read_in_place(archives, tmp_path, caplog):
    wnid = labels.ilsvrc2012_wnids()[0]
    path = tmp_path / "val.tar.gz"
    with (
        tarfile.open(archives[0]) as plain,
        tarfile.open(fileobj=plain.extractfile(plain.getmembers()[0])) as inner,
        tarfile.open(path, "w:gz") as packed,
    ):
        for number, member in enumerate(inner):
            content = inner.extractfile(member)
            member.name = f"{wnid}/{number}.JPEG"
            packed.addfile(member, content)
    with caplog.at_level(logging.INFO, "imnet_data"):
        convert(path, tmp_path / "out", split="val", options=Options(classes=FOUND))
    assert "It is read in place" in caplog.messages[0]
