"""Every bad input is one line that names the file and what to do, and nothing stays open."""

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import source_layouts as layouts

from imnet_data.errors import SourceError, SplitError
from imnet_data.sources import open_sources
from imnet_data.synth import devkit

WNID, OTHER = layouts.CLASSES[:2]
TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"


def _descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _refused(paths: list[Path], match: str, **options: Any) -> None:
    before = _descriptors()
    with pytest.raises((SourceError, SplitError), match=match) as caught:
        open_sources(paths, **options)
    assert "\n" not in str(caught.value)
    assert _descriptors() == before


def _train(tmp_path: Path, inner: dict[str, bytes], name: str = f"{WNID}.tar") -> list[Path]:
    return [layouts.write_tar(tmp_path / TRAIN, {name: layouts.tar_bytes(inner)})]


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return layouts.official(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 0.3, 0.7, -20_000])
def test_a_truncated_outer_archive(official, keep):
    path = official / TRAIN
    nbytes = path.stat().st_size
    os.truncate(path, int(keep * nbytes if 0 < keep < 1 else keep % nbytes))
    _refused([official], r"^ILSVRC2012_img_train\.tar.*: cut short.*imnet-data verify FILE")


def test_a_truncated_inner_archive(tmp_path):
    inner = layouts.tar_bytes({f"{WNID}_1.JPEG": b"x" * 600, f"{WNID}_2.JPEG": b"x" * 600})
    path = layouts.write_tar(tmp_path / TRAIN, {f"{WNID}.tar": inner[: 512 + 1024]})
    _refused([path], rf"^{TRAIN}, {WNID}\.tar: cut short at byte 2048, in a header")
    path = layouts.write_tar(tmp_path / TRAIN, {f"{WNID}.tar": inner[:700]})
    _refused([path], rf"^{TRAIN}, {WNID}\.tar: cut short: the member at byte 512 goes to byte 1624")


def test_an_inner_archive_without_images(tmp_path):
    _refused(_train(tmp_path, {}), rf"{WNID}\.tar: contains no images")


def test_an_inner_archive_of_another_name(tmp_path):
    paths = _train(tmp_path, {f"{WNID}_1.JPEG": b"x"}, name="fish.tar")
    _refused(paths, r"fish\.tar: only <wnid>\.tar is read inside another archive")


def test_a_member_of_another_class(tmp_path):
    paths = _train(tmp_path, {f"{OTHER}_1.JPEG": b"x"})
    _refused(paths, rf"train\.tar: '{WNID}/{OTHER}_1\.JPEG' names two classes")


@pytest.mark.parametrize("name", ["fish.JPEG", f"{WNID}.JPEG", f"{WNID}_1.a.JPEG", "ä_1.JPEG"])
def test_a_member_of_an_unknown_name(tmp_path, name):
    _refused(
        _train(tmp_path, {name: b"x"}), r"train\.tar: '.*' is not the name of an ImageNet image"
    )


def test_a_member_that_is_no_image(tmp_path):
    paths = _train(tmp_path, {f"{WNID}_1.JPEG": b"x", "readme.txt": b"x"})
    _refused(paths, rf"train\.tar: '{WNID}/readme\.txt' is not an image by its name")


@pytest.mark.parametrize("name", ["../n01440764_1.JPEG", "/n01440764_1.JPEG", "a/../../b.JPEG"])
def test_a_member_that_points_outside(tmp_path, name):
    _refused(_train(tmp_path, {name: b"x"}), rf"{WNID}\.tar: member '.*' points outside")
    path = layouts.write_tar(tmp_path / VAL, {name: b"x"})
    _refused([path], r"val\.tar: member '.*' points outside")


def test_a_link(tmp_path):
    path = tmp_path / VAL
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("ILSVRC2012_val_00000001.JPEG")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    _refused([path], r"val\.tar: member 'ILSVRC2012_val_00000001.JPEG' is a link")


def test_one_key_twice(tmp_path):
    content = layouts.tar_bytes({f"{WNID}_1.JPEG": b"x"})[:1024]
    inner = content + layouts.tar_bytes({f"{WNID}_1.JPEG": b"y"})
    path = layouts.write_tar(tmp_path / TRAIN, {f"{WNID}.tar": inner})
    _refused([path], rf"{WNID}_1 is there twice: .*{WNID}_1.JPEG \(byte 1024\) and .*\(byte 2048\)")


def test_one_key_with_two_suffixes_in_a_folder(tmp_path):
    names = (f"train/{WNID}/{WNID}_1.JPEG", f"train/{WNID}/{WNID}_1.jpg")
    root = layouts.write_files(tmp_path, dict.fromkeys(names, b"x"))
    _refused([root], r"twice: .*_1\.JPEG and .*_1\.jpg; remove one of them")


def test_one_split_from_two_paths(official, tmp_path):
    tree = layouts.extracted(tmp_path / "tree")
    _refused(
        [official / TRAIN, tree],
        rf"train comes from /.*{TRAIN} and from /.*tree; pass one of them$",
    )
    again = layouts.official(tmp_path / "again")
    _refused([official / VAL, again / VAL], rf"val comes from /.*{VAL} and from /.*again/{VAL}")


def test_two_devkits(official, tmp_path):
    again = layouts.official(tmp_path / "again")
    _refused([official, again / layouts.DEVKIT], r"both have meta\.mat; pass one")


def test_an_empty_folder(tmp_path):
    _refused([tmp_path], r"no images found; looked for ILSVRC2012_img.*found nothing$")


def test_a_folder_of_other_things(tmp_path):
    layouts.write_files(tmp_path, {"photos/fish.mov": b"x", "notes.txt": b"x"})
    _refused([tmp_path], r"no images found; looked for .*found notes\.txt, photos$")


def test_an_image_of_more_than_256_mib(tmp_path):
    path = layouts.write_files(tmp_path, {"train/n01440764/n01440764_1.JPEG": b"x"})
    os.truncate(path / "train/n01440764/n01440764_1.JPEG", (1 << 28) + 1)
    _refused([tmp_path], r"has 268435457 bytes, too many for an image")


def test_a_split_that_is_not_there(official):
    (official / VAL).unlink()
    _refused([official], r"no split 'val'; looked for", split="val")


def test_no_paths():
    _refused([], "no path: no images found")


def test_a_missing_path(tmp_path):
    _refused([tmp_path / "nowhere"], r"/nowhere: no such file or folder")


def test_an_empty_archive(tmp_path):
    path = layouts.write_tar(tmp_path / TRAIN, {})
    _refused([path], r"train\.tar: neither images nor a devkit nor boxes \(it has no files\)")


@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 5000])
def test_a_file_that_is_no_archive(tmp_path, content):
    path = tmp_path / "photo.tar"
    path.write_bytes(content)
    _refused([path], r"^photo\.tar: (cut short at|no tar header at) byte 0")


def test_images_where_no_class_can_be_told(tmp_path):
    layouts.write_files(tmp_path, {"train/fish/1.JPEG": b"x"})
    _refused([tmp_path], r"folder 'train/fish' is not the wnid of a class")
    layouts.write_files(tmp_path / "b", {"val/photo.JPEG": b"x"})
    _refused([tmp_path / "b"], r"the class of val image photo is not known; sort the images")


def test_a_val_number_beyond_the_published_ones(tmp_path):
    layouts.write_files(tmp_path, {"val/ILSVRC2012_val_00050001.JPEG": b"x"})
    _refused([tmp_path], r"ILSVRC2012_val_00050001: ILSVRC2012 has val images 1 to 50000")


def test_a_ground_truth_of_fewer_images(official):
    files = {**layouts.devkit_files()}
    files["ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"] = (
        devkit.ground_truth(layouts.VAL_WNIDS[:5])
    )
    layouts.write_tar(official / layouts.DEVKIT, files)
    _refused([official], "its ground truth covers val images 1 to 5, but there is image 6; pass")


def test_labels_that_disagree(official, tmp_path):
    tree = layouts.extracted(tmp_path / "tree")
    files = {**layouts.devkit_files()}
    wnids = (layouts.VAL_WNIDS[1], *layouts.VAL_WNIDS[1:])
    files["ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"] = (
        devkit.ground_truth(wnids)
    )
    kit = layouts.write_tar(tmp_path / layouts.DEVKIT, files)
    _refused([tree, kit], r"says that ILSVRC2012_val_00000001 is n09193705, elsewhere it is n0175")


def test_a_file_that_changed_since_it_was_listed(tmp_path):
    tree = layouts.extracted(tmp_path)
    source = open_sources([tree])
    path = tree / "val" / layouts.VAL_WNIDS[0] / "ILSVRC2012_val_00000001.JPEG"
    path.write_bytes(b"x" * 9)
    with pytest.raises(SourceError, match=r"^ILSVRC2012_val_00000001: .* has 9 now; start again"):
        source.splits["val"][0]
    path.unlink()
    with pytest.raises(SourceError, match=r"^ILSVRC2012_val_00000001: .*No such file"):
        source.splits["val"][0]
    source.close()


def test_a_tar_that_was_cut_since_it_was_listed(official):
    source = open_sources([official])
    os.truncate(official / VAL, 600)
    with pytest.raises(SourceError, match=r"ILSVRC2012_val_\d+: .* became shorter while it was"):
        list(map(source.splits["val"].__getitem__, range(6)))
    source.close()
