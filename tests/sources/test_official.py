import hashlib
import tarfile

import pytest
import source_layouts as layouts

from imnet_data.imagenet import facts, labels
from imnet_data.imagenet.facts import OFFICIAL_FILES, PublishedSplit, official_file
from imnet_data.imagenet.variants import wnids
from imnet_data.machine.progress import Step
from imnet_data.sources.official import check_official
from imnet_data.synth import devkit


def test_the_table_has_one_row_a_file_and_whole_hashes():
    assert len({file.name for file in OFFICIAL_FILES}) == len(OFFICIAL_FILES)
    for file in OFFICIAL_FILES:
        assert file.md5 is None or len(bytes.fromhex(file.md5)) == 16
        assert file.md5 or file.sha256 or file.nbytes
        assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
    assert official_file("ILSVRC2012_img_val.tar") is OFFICIAL_FILES[1]
    assert official_file("val.tar") is None


def test_all_differences_of_a_small_train_archive_are_reported(tmp_path):
    path = layouts.official(tmp_path) / "ILSVRC2012_img_train.tar"
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    size, hashed, count, missing, short = check_official(path)
    assert size == (f"has {path.stat().st_size} bytes, the official file has 147897477120")
    assert hashed.startswith(f"md5 is {md5}, published is 1d675b47d978889d74fa0da5")
    assert count == "has 18 images of train, ILSVRC2012 has 1281167"
    assert "994 of the 1000 classes are missing: n01440764, " in missing
    told = ", ".join(f"{wnid} 3" for wnid in sorted(layouts.CLASSES)[:5])
    assert short == f"6 classes do not have 732 to 1300 images: {told} ..."


def test_only_the_structure_is_compared_where_the_name_is_not_known(tmp_path):
    (tmp_path / "a").mkdir()
    path = layouts.official(tmp_path / "a") / "ILSVRC2012_img_val.tar"
    path = path.rename(tmp_path / "val.tar")
    (difference,) = check_official(path)
    assert difference.startswith(
        "49994 of 50000 images of val are missing: ILSVRC2012_val_00000007, "
    )


def test_whole_archives_have_no_differences_in_structure(tmp_path, monkeypatch):
    counts = {"train": 1000 * 2, "val": 50, "test": 3}
    splits = {split: PublishedSplit(count, range(2, 3)) for split, count in counts.items()}
    monkeypatch.setattr(facts, "SPLITS", splits)
    inner = {
        wnid: layouts.tar_bytes({f"{wnid}_{n}.JPEG": b"x" for n in (1, 2)})
        for wnid in labels.ilsvrc2012_wnids()
    }
    train = {f"{wnid}.tar": content for wnid, content in inner.items()}
    val = {f"ILSVRC2012_val_{number:08d}.JPEG": b"x" for number in range(50, 0, -1)}
    test = {f"test/ILSVRC2012_test_{number:08d}.JPEG": b"x" for number in range(1, 4)}
    for name, files in {"train.tar": train, "val.tar": val, "test.tar": test}.items():
        assert check_official(layouts.write_tar(tmp_path / name, files)) == []


def test_a_whole_devkit_has_no_differences_in_structure(tmp_path):
    files = {
        "kit/data/meta.mat": devkit.meta_mat(labels.ilsvrc2012_wnids(), images_per_class=3),
        "kit/data/ILSVRC2012_validation_ground_truth.txt": devkit.ground_truth(labels.val_wnids()),
    }
    assert check_official(layouts.write_tar(tmp_path / "kit.tar.gz", files)) == []


def test_differences_of_a_small_devkit_are_reported(tmp_path):
    path = layouts.official(tmp_path) / layouts.DEVKIT
    texts = check_official(path)
    assert [text.split()[0] for text in texts] == ["md5", "sha256", "has", "the"]
    assert texts[2] == "has 6 classes, ILSVRC2012 has 1000"
    assert texts[3].endswith("the ground truth (6 lines) is not that of ILSVRC2012")


@pytest.mark.parametrize("name", ["ILSVRC2012_img_val.tar", "other.tar"])
def test_damage_is_reported_with_the_other_differences(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"")
    assert check_official(path)[-1].startswith("cut short at byte 0, in a header")


def test_an_archive_of_another_split_is_told(tmp_path):
    root = layouts.official(tmp_path)
    path = (root / "ILSVRC2012_img_val.tar").replace(root / "ILSVRC2012_img_train.tar")
    assert "holds no train images" in check_official(path)


def test_progress_goes_to_the_size_of_the_file(tmp_path):
    path = layouts.official(tmp_path) / "ILSVRC2012_img_val.tar"
    seen: list[Step] = []
    check_official(path, seen.append)
    nbytes = path.stat().st_size
    assert Step(f"hash {path.name}", nbytes, nbytes) in seen


def test_a_missing_file_is_a_difference(tmp_path):
    assert check_official(tmp_path / "x.tar") == ["cannot be read (No such file or directory)"]


def test_the_check_of_a_file_names_it_no_second_time_and_does_not_advise_itself(tmp_path):
    path = tmp_path / "ILSVRC2012_img_val.tar"
    path.write_bytes(b"no tar" * 200)
    *_, damage = check_official(path)
    assert damage == "no tar header at byte 0; download it again"


def test_an_archive_of_another_set_is_compared_with_its_published_size_and_counts(tmp_path):
    path = tmp_path / "imagenet-a.tar"
    wnid = wnids("imagenet-a")[0]
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(f"imagenet-a/{wnid}/a.jpg")
        tar.addfile(member)
    differences = check_official(path)
    assert any("the official file has 687552512" in each for each in differences)
    assert any(each.startswith("md5 is ") for each in differences)
    assert any("has 1 images, imagenet-a has 7500" in each for each in differences)
