import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imnet_data import rng
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import BadPolicy, Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError, FormatError, ImageError, LabelError
from imnet_data.verification.compare import compare
from imnet_data.verification.verify import verify


def keys(root: Path, split: str = "train") -> list[str]:
    return [key.decode() for key in Dataset.open(root, split).index.key]


def test_train_is_shuffled_by_the_seed_and_val_and_test_are_sorted(
    tarballs: Path, tmp_path: Path
) -> None:
    for seed in (0, 1):
        convert([tarballs], tmp_path / str(seed), options=Options(seed=seed))
        canonical = sorted(keys(tmp_path / str(seed)))
        rows = rng.shuffled(len(canonical), seed=seed)
        assert keys(tmp_path / str(seed)) == [canonical[row] for row in rows]
        for split in ("val", "test"):
            assert keys(tmp_path / str(seed), split) == sorted(keys(tmp_path / str(seed), split))
    assert keys(tmp_path / "0") != keys(tmp_path / "1")


def test_one_source_may_be_given_by_itself(tarballs: Path, tmp_path: Path) -> None:
    by_itself = convert(str(tarballs), tmp_path / "a", options=Options(limit=5))
    assert by_itself == convert([tarballs], tmp_path / "b", options=Options(limit=5))


def test_order_sorted_sorts_train(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path, split="train", options=Options(order="sorted"))
    assert keys(tmp_path) == sorted(keys(tmp_path))
    assert list(Dataset.open(tmp_path).about.splits) == ["train"]


def test_a_converted_dataset_keeps_its_order_seed_and_sources(
    tarballs: Path, tmp_path: Path
) -> None:
    convert([tarballs], tmp_path / "a", options=Options(seed=5, limit=60))
    convert([tmp_path / "a"], tmp_path / "b", format="beton")
    a, b = Dataset.open(tmp_path / "a"), Dataset.open(tmp_path / "b")
    assert keys(tmp_path / "a") == keys(tmp_path / "b")
    assert (a.about.options, a.about.sources) == (b.about.options, b.about.sources)


def test_limit_draws_records_of_every_class(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path, split="train", options=Options(limit=60))
    dataset = Dataset.open(tmp_path)
    assert len(dataset) == 60
    assert len(np.unique(dataset.labels)) == 4


def test_chosen_classes_are_numbered_among_themselves(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    wnids = tuple(sorted(Dataset.open(made["lmdb"]).classes)[1:3])
    convert([tarballs], tmp_path, options=Options(classes=wnids))
    with Dataset.open(tmp_path) as dataset:
        assert dataset.classes == wnids
        assert {record.wnid for record in dataset} == set(wnids)
        assert set(dataset.labels.tolist()) == {0, 1}


def test_a_class_without_images_is_an_error_that_names_it(tarballs: Path, tmp_path: Path) -> None:
    train = tarballs / "ILSVRC2012_img_train.tar"  # without the devkit, 1000 classes are expected
    with pytest.raises(LabelError, match=r"train: class n\d+ has no image \(nor 995 others\)"):
        convert([train], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    convert([train], tmp_path / "out", options=Options(classes=("found",)))
    assert len(Dataset.open(tmp_path / "out").classes) == 4


def test_boxes_travel_along_and_lie_in_their_images(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path / "first", options=Options(boxes=True))
    convert([tmp_path / "first"], tmp_path / "second", format="lmdb")
    boxed = 0
    with Dataset.open(tmp_path / "first") as first, Dataset.open(tmp_path / "second") as second:
        assert list(first) == list(second)
        for index, record in enumerate(first):
            boxed += bool(record.boxes)
            for box in record.boxes:
                assert 0 <= box.xmin <= box.xmax <= first.index.width[index]
                assert 0 <= box.ymin <= box.ymax <= first.index.height[index]
    assert boxed > 20


def test_shrunk_images_are_counted_and_have_the_side_asked_for(
    tarballs: Path, tmp_path: Path
) -> None:
    options = Options(max_side=48, quality=80, boxes=True)
    about = convert([tarballs], tmp_path, split="train", options=options)
    shrunk = boxed = 0
    with Dataset.open(tmp_path) as dataset:
        for index, record in enumerate(dataset):
            size = Image.open(io.BytesIO(record.jpeg)).size
            assert size == (dataset.index.width[index], dataset.index.height[index])
            assert max(size) <= 48
            shrunk += "resized" in record.fix
            assert all(box.xmax <= size[0] and box.ymax <= size[1] for box in record.boxes)
            boxed += len(record.boxes)
    assert shrunk > 100
    assert boxed > 20
    fixes = about.splits["train"].fixes
    assert sum(count for fix, count in fixes.items() if "resized" in fix) == shrunk


@pytest.mark.parametrize(
    ("bad", "fixes", "skipped"),
    [
        ("fix", {"cmyk-to-rgb": 1, "png-to-jpeg": 1}, {}),
        ("keep", {"kept: cmyk": 1, "kept: png": 1}, {}),
        ("skip", {}, {"skipped: cmyk": 1, "skipped: png": 1}),
    ],
)
def test_bad_images_are_dealt_with_as_asked_and_counted(
    tarballs: Path, tmp_path: Path, bad: BadPolicy, fixes: dict[str, int], skipped: dict[str, int]
) -> None:
    for name in ("webdataset", "beton"):
        about = convert(
            [tarballs], tmp_path / name, format=name, split="train", options=Options(bad=bad)
        )
        split = about.splits["train"]
        assert (split.fixes, split.skipped) == (fixes, skipped)
        assert len(Dataset.open(tmp_path / name)) == 148 - sum(skipped.values())


def test_bad_images_can_be_refused(tarballs: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"n\d+_\d+.* is a (CMYK JPEG|png)"):
        convert([tarballs], tmp_path / "out", options=Options(bad="error"))
    assert not (tmp_path / "out" / "train").exists()


def test_a_share_of_beton_can_be_stored_as_pixels(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path, format="beton", split="train", options=Options(raw=0.4))
    assert verify(tmp_path, decode=True) == []
    stored = [entry for entry in Dataset.open(tmp_path).entries() if entry.stored == "pixels"]
    assert 0.2 < len(stored) / 148 < 0.6
    with Dataset.open(tmp_path) as dataset:
        index = dataset.find(stored[0].key)
        assert len(dataset.stored(index)) == stored[0].width * stored[0].height * 3
        assert dataset.is_pixels.sum() == len(stored)
        with pytest.raises(FormatError, match=r"is stored as pixels, so there is no JPEG"):
            assert dataset[index]


def test_pixels_go_from_beton_to_beton_and_nowhere_else(tarballs: Path, tmp_path: Path) -> None:
    root, again = tmp_path / "raw", tmp_path / "again"
    options = Options(raw=0.4, shard_nbytes=64_000)
    about = convert([tarballs], root, format="beton", options=options)
    assert convert([tarballs], root, format="beton", options=options) == about
    assert convert([root], again, format="beton") == about
    assert (again / "SHA256SUMS").read_bytes() == (root / "SHA256SUMS").read_bytes()
    other = convert([root], tmp_path / "sorted", format="beton", options=Options(order="sorted"))
    assert verify(tmp_path / "sorted") == []
    with Dataset.open(root) as mine, Dataset.open(tmp_path / "sorted") as yours:
        assert mine.is_pixels.sum() == yours.is_pixels.sum() > 0
        for index in range(len(mine)):
            assert mine.stored(index) == yours.stored(yours.find(mine.index.key[index].decode()))
    (difference,) = compare(root, tmp_path / "sorted")
    assert difference.what.startswith("from here on the order differs")
    assert other.options.raw == 0.4
    for format, changed, told in (
        ("webdataset", Options(), "webdataset holds none but JPEGs"),
        ("beton", Options(raw=0.1), "--raw is what it was made with, 0.4"),
        ("beton", Options(max_side=16), "--max-side is what it was made with, None"),
    ):
        with pytest.raises(ConvertError, match=told) as refused:
            convert([root], tmp_path / "no", format=format, options=changed)
        assert "the source that it was made from" in str(refused.value)
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_undone_is_noted(
    tarballs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = Options(raw=0.4, max_side=40, limit=5)
    convert([tarballs], tmp_path / "out", format="beton", options=options)
    assert "the JPEGs cannot be had back from them, so keep the source" in caplog.text
    assert "larger images are shrunk, which cannot be undone" in caplog.text
    caplog.clear()
    convert([tarballs], tmp_path / "plain", format="beton", options=Options(limit=5))
    assert "keep the source" not in caplog.text


def test_pixels_are_stored_by_formats_that_hold_them(tarballs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConvertError, match="lmdb cannot store pixels; leave out raw, or take beton"
    ):
        convert([tarballs], tmp_path / "out", format="lmdb", options=Options(raw=0.5))
    assert not (tmp_path / "out").exists()


def test_a_class_that_the_devkit_does_not_have_is_an_error(tarballs: Path, tmp_path: Path) -> None:
    convert([tarballs], tmp_path / "tree", format="folder")
    tree, devkit = tmp_path / "tree" / "train", tarballs / "ILSVRC2012_devkit_t12.tar.gz"
    (tree / "n15075141").mkdir()
    next(tree.rglob("*.JPEG")).rename(tree / "n15075141" / "a_1.JPEG")
    with pytest.raises(LabelError, match="train: n15075141 is not among the 4 known classes"):
        convert([tree, devkit], tmp_path / "out", split="train")
