import gzip
import os
import time
from pathlib import Path

import numpy as np
import pytest
import source_layouts as layouts
from opened_sources import pickled

from imnet_data.errors import SourceError, SplitError
from imnet_data.machine.progress import Step
from imnet_data.record import Record, Records
from imnet_data.sources import Source, open_sources
from imnet_data.sources.left_out import Reason

LAYOUTS = [
    layouts.official,
    layouts.extracted,
    layouts.extracted_flat,
    layouts.kaggle_folder,
    layouts.kaggle_zip,
    layouts.kaggle_tar_gz,
    layouts.hugging_face,
    layouts.hugging_face_unpacked,
]


def _all(records: Records) -> list[Record]:
    return [records[index] for index in range(len(records))]


def _contents(source: Source) -> dict[str, list[Record]]:
    with pickled(source) as splits:
        return {split: _all(records) for split, records in splits.items()}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_gives_the_same_records(layout, tmp_path):
    path = layout(tmp_path / "source")
    source = open_sources([path], spool=tmp_path / "spool")
    for split, records in source.splits.items():
        listing = records.listing
        expected = layouts.everything()[split]
        assert listing.keys.tolist() == [record.key.encode() for record in expected]
        assert listing.wnids.tolist() == [record.wnid.encode() for record in expected]
        assert listing.nbytes.tolist() == [len(record.jpeg) for record in expected]
        assert listing.nbytes.dtype == np.int64
    assert list(source.splits) == ["train", "val", "test"]
    assert _contents(source) == layouts.everything()


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_one_split_can_be_taken(layout, split, tmp_path):
    path = layout(tmp_path / "source")
    source = open_sources([path], split=split, spool=tmp_path / "spool")
    assert _contents(source) == {split: layouts.everything()[split]}


def test_several_archives_combine(tmp_path):
    root = layouts.official(tmp_path)
    paths = sorted(root.iterdir())
    source = open_sources(paths)
    assert source.classes == layouts.CLASSES
    assert [tuple(file) for file in source.files] == [(p.name, p.stat().st_size) for p in paths]
    assert source.notes == ()
    assert _contents(source) == layouts.everything()


@pytest.mark.parametrize("suffix", [".JPEG", ".jpg", ".jpeg"])
def test_a_folder_of_a_split_is_taken_as_the_split_asked_for(suffix, tmp_path):
    files = {f"{wnid}/photo-{at}{suffix}": b"x" for at, wnid in enumerate(layouts.CLASSES)}
    layouts.write_files(tmp_path, files)
    source = open_sources([tmp_path], split="val")
    assert [record.key for record in _contents(source)["val"]] == [
        f"photo-{at}" for at in range(len(layouts.CLASSES))
    ]


def test_flat_val_is_labelled_by_the_ground_truth_beside_it(tmp_path):
    files = {f"{record.key}.JPEG": record.jpeg for record in layouts.val()}
    swapped = b"1\n2\n3\n4\n5\n6\n"
    layouts.write_files(tmp_path, files)
    layouts.write_files(tmp_path, {"ILSVRC2012_validation_ground_truth.txt": swapped})
    source = open_sources([tmp_path], split="val")
    wnids = [record.wnid for record in _contents(source)["val"]]
    assert wnids[0] == "n02119789"  # id 1 of ILSVRC2012
    assert len(set(wnids)) == 6


def test_val_without_devkit_is_labelled_by_the_packages_table(tmp_path):
    root = layouts.official(tmp_path)
    source = open_sources([root / "ILSVRC2012_img_val.tar"])
    assert source.classes is None
    assert _contents(source) == {"val": layouts.everything()["val"]}


def test_labels_that_differ_from_the_published_ones_are_kept_and_told(tmp_path):
    wnid = layouts.VAL_WNIDS[1]
    layouts.write_files(tmp_path, {f"val/{wnid}/ILSVRC2012_val_00000001.JPEG": b"x"})
    source = open_sources([tmp_path])
    assert source.notes == (
        "val: 1 of 1 labels are not those of ILSVRC2012; the labels of the source were kept",
    )
    assert _contents(source)["val"][0].wnid == wnid


def test_subsets_may_mix_the_splits_of_imagenet(tmp_path):
    wnid = layouts.CLASSES[0]
    names = (f"train/{wnid}/ILSVRC2012_val_00000293.JPEG", f"val/{wnid}/{wnid}_9003.JPEG")
    source = open_sources([layouts.write_files(tmp_path, dict.fromkeys(names, b"x"))])
    found = _contents(source)
    assert [record.key for record in found["train"]] == ["ILSVRC2012_val_00000293"]
    assert [record.key for record in found["val"]] == [f"{wnid}_9003"]


def test_a_test_patch_replaces_its_images(tmp_path):
    layouts.official(tmp_path)
    patch = {"ILSVRC2012_test_00000002.JPEG": b"patched"}
    layouts.write_tar(tmp_path / "ILSVRC2012_img_test_patch_v10102019.tar", patch)
    source = open_sources([tmp_path], split="test")
    assert source.notes == (
        "test: 1 images were replaced by those of ILSVRC2012_img_test_patch_v10102019.tar",
    )
    assert [record.jpeg for record in _contents(source)["test"]] == [
        layouts.test_split()[0].jpeg,
        b"patched",
    ]


def test_archives_of_other_tasks_are_left_out_and_told(tmp_path):
    layouts.official(tmp_path)
    (tmp_path / "ILSVRC2012_img_train_t3.tar").write_bytes(b"dogs")
    source = open_sources([tmp_path])
    assert source.notes == ("ILSVRC2012_img_train_t3.tar is of another task and was left out",)
    source.close()


def test_folders_beside_the_archives_they_came_from_are_left_out_and_told(tmp_path):
    layouts.extracted(layouts.official(tmp_path))
    source = open_sources([tmp_path])
    assert source.notes == tuple(
        f"{tmp_path / split} was left out: the archives beside it were taken"
        for split in ("test", "train", "val")
    )
    assert _contents(source) == layouts.everything()


def test_a_missing_part_of_hugging_faces_train_is_told(tmp_path):
    layouts.hugging_face_unpacked(tmp_path)
    (tmp_path / "data" / "train_images_3.tar").unlink()
    source = open_sources([tmp_path], split="train")
    assert "train: only parts 0, 1, 2, 4 of Hugging Face's train_images_0 to 4 were found" in (
        source.notes
    )
    source.close()


def test_hidden_files_and_files_that_are_no_images_are_left_out_and_told(tmp_path):
    layouts.extracted(tmp_path)
    layouts.write_files(tmp_path / "val", {"._a.JPEG": b"", "Thumbs.db": b""})
    source = open_sources([tmp_path])
    assert source.left_out == {
        "files that are no images": Reason(1, f"{tmp_path}: val/Thumbs.db"),
        "hidden files": Reason(1, f"{tmp_path}: val/._a.JPEG"),
    }
    assert _contents(source) == layouts.everything()


def test_records_are_read_in_a_forked_child(tmp_path):
    source = open_sources([layouts.official(tmp_path)])
    expected = layouts.everything()["train"]
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            same = all(_all(source.splits["train"]) == expected for _ in range(20))
            os._exit(0 if same else 1)
        children.append(child)
    assert all(_all(source.splits["train"]) == expected for _ in range(20))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    source.close()


def test_closed_records_are_not_read(tmp_path):
    source = open_sources([layouts.official(tmp_path)])
    source.close()
    with pytest.raises(ValueError, match="were closed"):
        source.splits["train"][0]


def test_an_index_out_of_range_is_an_index_error(tmp_path):
    source = open_sources([layouts.official(tmp_path)])
    for index in (-1, len(source.splits["val"])):
        with pytest.raises(IndexError, match=f"record {index} of 6"):
            source.splits["val"][index]
    source.close()


def test_a_compressed_archive_is_unpacked_once_and_told(tmp_path):
    root = layouts.hugging_face(tmp_path / "source")
    spool = tmp_path / "spool"
    source = open_sources([root], split="val", spool=spool)
    nbytes = (spool / "val_images.tar").stat().st_size
    assert source.notes == (
        "val_images.tar.gz is compressed and cannot be read in place: "
        f"unpacked to {spool / 'val_images.tar'}, {nbytes} bytes",
    )
    assert [file.name for file in source.files] == ["val_images.tar.gz"]
    assert [path.name for path in spool.iterdir()] == ["val_images.tar"]
    source.close()
    inode = (spool / "val_images.tar").stat().st_ino
    open_sources([root], split="val", spool=spool).close()
    assert (spool / "val_images.tar").stat().st_ino == inode


def test_a_changed_archive_is_unpacked_again(tmp_path):
    root = layouts.hugging_face(tmp_path / "source")
    open_sources([root], split="test", spool=tmp_path / "spool").close()
    packed = root / "data" / "test_images.tar.gz"
    layouts.write_tar(packed, {"ILSVRC2012_test_00000009.JPEG": b"other"})
    os.utime(packed, (time.time() + 9, time.time() + 9))
    source = open_sources([root], split="test", spool=tmp_path / "spool")
    assert [record.jpeg for record in _contents(source)["test"]] == [b"other"]


def test_a_compressed_archive_is_read_in_place_without_room_to_unpack_it(tmp_path):
    records = layouts.val()
    big = {f"{record.key}.JPEG": record.jpeg + bytes(1 << 20) for record in records}
    source = open_sources([layouts.write_tar(tmp_path / "val_images.tar.gz", big)])
    val = source.splits["val"]
    assert val.listing.nbytes.tolist() == [len(each) for _, each in sorted(big.items())]
    for index in (5, 0, 3):
        assert val[index].jpeg == big[f"{val[index].key}.JPEG"]
    source.close()


def test_damaged_gzip_data_leaves_nothing_behind(tmp_path):
    members = {f"{record.key}.JPEG": bytes(1 << 20) for record in layouts.val()}
    packed = layouts.write_tar(tmp_path / "val_images.tar.gz", members)
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(
        SourceError, match=r"val_images.tar.gz: damaged gzip data \(it is cut short"
    ):
        open_sources([packed], spool=tmp_path / "spool")
    assert list(tmp_path.glob("spool/*")) == []


def test_progress_names_the_archive_and_how_far_it_is(tmp_path):
    seen: list[Step] = []
    layouts.hugging_face(tmp_path)
    open_sources(
        [tmp_path],
        split="val",
        spool=tmp_path / "spool",
        progress=lambda step: seen.append(step),
    ).close()
    assert {step.task for step in seen} == {"unpack val_images.tar.gz", "list val_images.tar.gz"}
    assert all(step.done <= step.total for step in seen)


def test_an_unknown_split_is_named_with_those_that_there_are():
    with pytest.raises(SplitError, match="no split 'vla'; there are train, val, test, small"):
        open_sources([Path()], split="vla")


def test_gzip_of_the_devkit_is_checked_to_its_end(tmp_path):
    path = layouts.official(tmp_path) / layouts.DEVKIT
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the CRC-32 of the trailer
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"devkit_t12.tar.gz: damaged gzip data"):
        open_sources([path, tmp_path / "ILSVRC2012_img_val.tar"])


def test_an_uncompressed_devkit_is_read(tmp_path):
    root = layouts.official(tmp_path)
    path = root / layouts.DEVKIT
    plain = root / "ILSVRC2012_devkit_t12.tar"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    source = open_sources([root])
    assert source.classes == layouts.CLASSES
    source.close()
