import os
import shutil
from pathlib import Path

import pytest
from detection_kit import LAYOUTS, made, records, scene
from opened_sources import refused

from imnet_data.errors import SourceError
from imnet_data.record import Box, Object
from imnet_data.sources import open_sources

DOG, CAT, CAR, PERSON = "n02084071", "n02121808", "n02958343", "n00007846"
VAL = "Annotations/DET/val/ILSVRC2012_val_00000005.xml"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return tmp_path_factory.mktemp("sets")


@pytest.fixture
def det(sets, tmp_path):
    return linked_copy(made(sets, "det") / "ILSVRC", tmp_path / "ILSVRC")


@pytest.fixture
def vid(sets, tmp_path):
    return linked_copy(made(sets, "vid") / "ILSVRC2015", tmp_path / "ILSVRC2015")


def linked_copy(root, to):
    """Copy a tree in a tenth of the time; its files are not to be written to, see `put`."""
    return Path(shutil.copytree(root, to, symlinks=True, copy_function=os.link))


def put(path, content):
    """Write a file that may be a link to that of another test."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(("task", "layout"), LAYOUTS)
def test_all_layouts_hold_the_same_records(sets, tmp_path, task, layout):
    expected = records(made(sets, task))
    found = records(made(sets, task, layout), tmp_path / "spool")
    assert {split: len(rows) for split, rows in found.items()} == (
        {"train": 31, "val": 6, "test": 2} if task == "det" else {"train": 30, "val": 22, "test": 8}
    )
    assert found == expected


def test_the_names_of_data_folders_and_renamed_archives_do_as_well(sets, det, vid, tmp_path):
    assert records(det / "Data/DET") == records(det.parent / "ILSVRC") == records(made(sets, "det"))
    assert records(vid / "Annotations/VID") == records(vid)
    other = tmp_path / "my.tar.gz"
    shutil.copy(made(sets, "det", "archive") / "ILSVRC2017_DET.tar.gz", other)
    assert records(other, tmp_path / "spool") == records(det)


def test_archives_of_2014_may_be_given_one_by_one(sets, det, tmp_path):
    names = ["ILSVRC2013_DET_val.tar", "ILSVRC2013_DET_bbox_val.tgz", "ILSVRC2014_devkit.tgz"]
    paths = [made(sets, "det", "2014") / name for name in names]
    source = open_sources(paths, spool=tmp_path / "spool")
    found = source.splits["val"]
    assert [found[at] for at in range(len(found))] == records(det)["val"]
    assert [note for note in source.notes if "its lists name 25 images" not in note]
    source.close()


def test_extracted_archives_of_2014_are_read_too(sets, det, tmp_path):
    for path in made(sets, "det", "2014").iterdir():
        shutil.unpack_archive(path, tmp_path, "gztar" if path.suffix == ".tgz" else "tar")
    expected = records(det)
    shutil.rmtree(det)
    assert (tmp_path / "ILSVRC2014_DET_train/ILSVRC2014_train_0000.tar").is_file()
    assert records(tmp_path) == expected


def test_present_partly_boxed_absent_and_unknown_stay_distinct(det):
    train = {record.key: scene(record) for record in records(det)["train"]}
    first, second, last = (train[f"n02085620_1{at}"] for at in (0, 1, 3))
    assert first.labels == ((DOG, 1),)  # all others are unknown
    assert second.labels == ((DOG, 1), (CAT, -1))
    assert last.labels == ((DOG, 0),)
    assert first.objects == (Object(DOG, "n02085620"),)
    assert train["ILSVRC2013_train_00000001"].labels == ((DOG, -1),)
    assert train["ILSVRC2013_train_00000001"].objects == ()
    whole = train["ILSVRC2014_train_00000001"]
    assert len(whole.labels) == 200
    assert {wnid for wnid, value in whole.labels if value == 1} == {
        each.wnid for each in whole.objects
    }


def test_numbers_and_the_blacklist_are_those_of_val(det):
    val = records(det)["val"]
    assert [scene(record).number for record in val] == [1, 2, 3, 4, 5, 6]
    assert [record.key for record in val][:2] == [
        "ILSVRC2012_val_00000001",
        "ILSVRC2012_val_00000005",
    ]
    assert [scene(record).ignored for record in val] == [(), (), (DOG,), (), (), ()]
    assert not any(scene(record).ignored for record in records(det)["train"])


def test_frames_say_where_they_come_from(vid):
    found = records(vid)["train"]
    frame = next(r for r in found if r.key == "ILSVRC2015_train_00000001_000004")
    assert (scene(frame).snippet, scene(frame).frame) == ("ILSVRC2015_train_00000001", 4)
    assert scene(frame).objects == (
        Object(CAR, "", 0, True, False),
        Object(CAT, "", 1, True, False),
    )
    assert frame.boxes == (Box(10, 4, 49, 43), Box(37, 44, 76, 83))
    assert scene(frame).labels == ((CAT, 1), (CAR, 1))  # of the snippet
    empty = next(r for r in found if r.key == "ILSVRC2015_train_00001000_000002")
    assert not empty.boxes
    assert not scene(empty).objects
    assert not any(scene(r).objects for r in records(vid)["test"])


def test_links_to_folders_of_vid_are_not_counted_twice(vid):
    expected = records(vid)
    source = open_sources(vid)
    links = "links to folders that are read without them"
    assert source.left_out[links].count == 4
    source.close()
    train = vid / "Data/VID/train"
    for folder in ("Data", "Annotations"):  # whole folders that are links themselves
        real = vid / folder / "VID/train/ILSVRC2015_VID_train_0001"
        shutil.move(real, vid.parent / f"{folder}-elsewhere")
        real.symlink_to(vid.parent / f"{folder}-elsewhere")
    assert (train / "b").is_dir()
    assert records(vid) == expected
    shutil.copytree(train / "ILSVRC2015_VID_train_0000", train / "a copy")
    with pytest.raises(SourceError, match="ILSVRC2015_train_00000000_000000 is there twice"):
        records(vid)


def test_boxes_outside_the_image_are_held_in_it_and_none_is_lost(det):
    path = det / VAL
    text = path.read_text()
    before = next(r for r in records(det)["val"] if r.key == path.stem)
    first = before.boxes[0]
    wide = text.replace(f"<xmax>{first.xmax}<", "<xmax>5000<", 1)
    put(path, wide.replace(f"<xmin>{first.xmin}<", "<xmin>5000<", 1).encode())
    after = next(r for r in records(det)["val"] if r.key == path.stem)
    assert len(after.boxes) == len(before.boxes) == len(scene(after).objects)
    assert after.boxes[0].xmin == after.boxes[0].xmax <= 128


def replace(path, old, new):
    content = path.read_bytes()
    assert old in content
    put(path, content.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"</annotation>", b"", "the boxes of ILSVRC2012_val_00000005 cannot be read"),
        (b"<name>n", b"<name>m", "which is not a class of imagenet-det"),
        (b"<xmin>", b"<left>", "cannot be read"),
        (b"<annotation>", b"<!DOCTYPE x><annotation>", "has a document type"),
        (b"<bndbox>", b"<box>", "cannot be read"),
        (b"<xmin>", b"<xmin>99999999999", "beyond 32 bits"),
    ],
)
def test_damaged_boxes_are_one_line(det, tmp_path, old, new, words):
    replace(det / VAL, old, new)
    source = open_sources(det)
    with pytest.raises(SourceError, match=words) as caught:
        [source.splits["val"][at] for at in range(6)]
    source.close()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train_5.txt", b"a 1\nb\n", "a line does not have one or two words"),
        ("train_5.txt", b"a 2\n", "is not a list of images"),
        ("train_201.txt", b"a 1\n", "is not a list of images"),
        ("train_5.txt", b"a\nb\n", "a line has no 1, 0 or -1"),
        ("val.txt", b"a x\n", "is not a list of images"),
    ],
)
def test_a_damaged_list_is_one_line_and_exit_status_1(det, name, content, words):
    put(det / "ImageSets/DET" / name, content)
    line = refused(det)
    assert words in line
    assert name in line


def test_an_archive_cut_short_is_one_line(sets, tmp_path):
    content = (made(sets, "det", "archive") / "ILSVRC2017_DET.tar.gz").read_bytes()
    (tmp_path / "ILSVRC2017_DET.tar.gz").write_bytes(content[: len(content) // 2])
    assert "damaged gzip data" in refused(tmp_path)
    (tmp_path / "ILSVRC2013_DET_val.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "ILSVRC2017_DET.tar.gz").unlink()
    assert "ILSVRC2013_DET_val.tar" in refused(tmp_path)


def test_two_sets_at_once_are_refused(sets, det, vid):
    shutil.copytree(vid / "Data", det / "Data", dirs_exist_ok=True, symlinks=True)
    assert "has both DET and VID; pass" in refused(det)
    assert records(det / "Data/DET")["val"]
    with pytest.raises(SourceError, match="a dataset of its own; convert each by itself"):
        open_sources([det / "Data/DET", vid])


def test_cls_loc_beside_det_is_what_a_root_means(det):
    """What a folder with CLS-LOC meant before DET could be read, it means now."""
    image = next(det.rglob("*.JPEG"))
    target = det / "Data/CLS-LOC/train/n01440764/n01440764_1.JPEG"
    target.parent.mkdir(parents=True)
    shutil.copy(image, target)
    source = open_sources(det)
    assert source.name == "ilsvrc2012"
    assert [note for note in source.notes if "Data/DET" in note]
    source.close()
    assert records(det / "Data/DET")["val"]


def test_files_that_belong_to_no_image_are_counted(det):
    shutil.copy(det / VAL, det / "Annotations/DET/val/ILSVRC2012_val_00000099.xml")
    (det / "Data/DET/val/notes.txt").write_text("mine")
    (det / "Data/DET/val/ILSVRC2012_val_00000001.JPEG").unlink()
    source = open_sources(det)
    assert source.left_out["files that are no images"].count == 1
    notes = "; ".join(source.notes)
    assert "val: 2 files of boxes belong to images that are not here" in notes
    assert "val: its lists name 1 images that are not here" in notes
    source.close()
