"""ImageNet-21k in each form that it is published in, whole and processed, with its oddities."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from imnet_data import Options, convert, verify
from imnet_data.cli import main
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImageError, SourceError
from imnet_data.imagenet import facts, labels
from imnet_data.sources import open_sources
from imnet_data.synth.imagenet21k import (
    HIERARCHY,
    NO_IMAGE_KEY,
    RELEASES,
    Release,
    synth_imagenet21k,
)

FOUND = Options(classes=("found",))
KNOWN = "skipped: known to be undecodable, as published"


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> dict[str, Path]:
    """The same seven classes of six images, one more or one less, in each release."""
    folder = tmp_path_factory.mktemp("21k")
    made: dict[str, Path] = {}
    for release in RELEASES:
        out = folder / release
        name, _ = synth_imagenet21k(out, release, class_count=7, images_per_class=6)
        made[release] = out / name
    return made


@pytest.mark.parametrize("release", ["winter21", "fall11-unpacked"])
def test_all_forms_of_the_whole_set_give_one_dataset(release, released, tmp_path):
    one = convert(released["fall11"], tmp_path / "one", options=FOUND)
    other = convert(released[release], tmp_path / "other", options=FOUND)
    assert other.splits == one.splits
    assert other.classes == one.classes
    assert not set(one.classes) <= set(labels.ilsvrc2012_wnids())
    assert set(one.classes) <= set(labels.wnids_of("22k"))
    assert verify(tmp_path / "one") == []


def test_the_known_oddities_are_fixed_or_left_out_and_counted(released, tmp_path):
    about = convert(released["fall11"], tmp_path / "out", options=FOUND)
    train = about.splits["train"]
    assert train.fixes == {"gzip-unpacked": 1, "png-to-jpeg": 1}
    assert train.skipped == {KNOWN: 1}
    assert train.record_count == 6 * 7 - 1
    with Dataset.open(tmp_path / "out") as dataset:
        assert NO_IMAGE_KEY.encode() not in dataset.index.key
        fixes = [record for record in dataset if record.fix == "gzip-unpacked"]
    assert fixes[0].jpeg.startswith(b"\xff\xd8")
    assert NO_IMAGE_KEY in facts.UNDECODABLE_KEYS


def test_another_image_that_cannot_be_decoded_is_an_error_that_names_it(released, tmp_path):
    wnid = "n06470073"
    assert wnid in {path.stem for path in released["fall11-unpacked"].iterdir()}
    with tarfile.open(tmp_path / f"{wnid}.tar", "w") as archive:
        for key in (f"{wnid}_1", NO_IMAGE_KEY):
            member = tarfile.TarInfo(f"{key}.JPEG")
            member.size = 6
            archive.addfile(member, io.BytesIO(b"<html>"))
    with pytest.raises(ImageError, match=f"{wnid}_1 cannot be decoded"):
        convert(tmp_path / f"{wnid}.tar", tmp_path / "out", options=FOUND)


def test_the_parts_of_the_processed_set_are_splits_with_classes_of_their_own(released):
    source = open_sources([released["21k-resized"]])
    wnids = {
        name: set(records.listing.wnids.astype(str).tolist())
        for name, records in source.splits.items()
    }
    counts = {name: len(records) for name, records in source.splits.items()}
    source.close()
    assert list(counts) == ["train", "val", "small_classes"]
    assert wnids["train"] == wnids["val"]
    assert not wnids["train"] & wnids["small_classes"]
    assert counts["val"] == 2 * len(wnids["val"])


def test_the_whole_set_is_processed_to_what_the_processed_set_has(released, tmp_path):
    options = Options(min_images=6, val_first=2)
    convert(released["fall11"], tmp_path / "own", options=options)
    convert(released["21k-resized"], tmp_path / "theirs", options=FOUND)
    for split in ("train", "val"):
        with (
            Dataset.open(tmp_path / "own", split) as own,
            Dataset.open(tmp_path / "theirs", split) as theirs,
        ):
            assert sorted(own.index.key.tolist()) == sorted(theirs.index.key.tolist())


def test_half_of_the_classes_are_below_a_synset(released, tmp_path):
    hierarchy = released["fall11"].parent / HIERARCHY
    options = Options(classes=("n00015388",), hierarchy=str(hierarchy))
    about = convert(released["fall11"], tmp_path / "out", options=options)
    assert len(about.classes) == 4
    assert about.options.classes == about.classes
    assert about.options.hierarchy is None  # it is not needed again


def cut(path: Path, out: Path) -> Path:
    content = path.read_bytes()
    out.write_bytes(content[: len(content) * 2 // 3])
    return out


@pytest.mark.parametrize("release", ["fall11", "winter21", "21k-resized"])
def test_a_download_that_was_stopped_is_one_line_that_names_the_file(release, released, tmp_path):
    path = cut(released[release], tmp_path / released[release].name)
    result = CliRunner().invoke(
        main, ["convert", str(path), str(tmp_path / "out"), "--classes", "found"]
    )
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert path.name in line
    assert "cut short" in line
    assert "download it again" in line
    assert not (tmp_path / "out/dataset.json").exists()


def test_an_inner_archive_that_is_cut_short_is_named(released, tmp_path):
    first = min(released["fall11-unpacked"].iterdir())
    path = tmp_path / first.name
    path.write_bytes(first.read_bytes()[:1000])  # within the first image
    with pytest.raises(SourceError, match=f"{first.name}: cut short"):
        open_sources([path])


@pytest.mark.parametrize("release", RELEASES)
def test_the_same_seed_gives_the_same_bytes(release: Release, released, tmp_path):
    name, _ = synth_imagenet21k(tmp_path, release, class_count=7, images_per_class=6)
    again, before = tmp_path / name, released[release]
    files = sorted(before.iterdir()) if before.is_dir() else [before]
    assert files
    for path in files:
        other = again / path.name if before.is_dir() else again
        assert other.read_bytes() == path.read_bytes()


def test_the_command_writes_a_small_set_and_refuses_to_replace_one(tmp_path):
    words = ["synth", str(tmp_path), "--set", "winter21", "--classes", "3", "--bytes", "2KB"]
    words += ["--images-per-class", "3", "--val-per-class", "1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    names = [Path(line).name for line in result.stdout.splitlines()]
    assert names == ["winter21_whole.tar.gz", HIERARCHY]
    assert gzip.decompress((tmp_path / names[0]).read_bytes())
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
