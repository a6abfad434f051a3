"""Label tables and conventions."""

from pathlib import Path

import pytest

from imnet_data.errors import LabelError
from imnet_data.imagenet import labels

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_the_label_tables_have_their_published_fingerprints() -> None:
    assert labels.fingerprint(labels.ilsvrc2012_wnids()) == labels.WNIDS_SHA256
    assert labels.fingerprint(labels.val_wnids()) == labels.VAL_WNIDS_SHA256
    assert len(labels.val_wnids()) == 50_000


def test_the_three_conventions_are_the_published_ones() -> None:
    classes = labels.ilsvrc2012_wnids()
    wanted = {"sorted": (0, 64, 65, 999), "ilsvrc": (449, None, 490, None), "tf": (1, 65, 66, 1000)}
    for name, (tench, green_mamba, sea_snake, last) in wanted.items():
        integers = labels.integers(classes, name)
        assert integers["n01440764"] == tench
        assert green_mamba in (None, integers["n01749939"])
        assert integers["n01751748"] == sea_snake
        assert last in (None, integers["n15075141"])
    assert sorted(labels.integers(classes, "ilsvrc").values()) == list(range(1, 1001))


def test_a_class_outside_of_ilsvrc2012_has_no_devkit_id() -> None:
    with pytest.raises(LabelError, match="n99999999 is not a class of ILSVRC2012"):
        labels.integers(["n99999999"], "ilsvrc")
    with pytest.raises(ValueError, match="known: sorted, ilsvrc, tf, 22k, 21k-goog, 12k, 21k-p"):
        labels.integers(["n01440764"], "caffe")


def test_the_lists_of_21k_have_their_published_fingerprints_and_counts() -> None:
    counts = {"22k": 21_841, "21k-goog": 21_843, "12k": 11_821, "21k-p": 11_221}
    for name, count in (counts | {"21k-p-w21": 10_450}).items():
        wnids = labels.wnids_of(name)
        assert labels.fingerprint(wnids) == labels.LISTS[name]
        assert len(wnids) == count
        assert list(wnids) == sorted(set(wnids))


def test_a_class_outside_of_a_list_is_minus_one() -> None:
    found = labels.integers(["n01440764", "n02085782", "n04399382"], "12k")
    assert found["n02085782"] == found["n04399382"] == -1
    assert labels.wnids_of("12k")[found["n01440764"]] == "n01440764"
    with pytest.raises(LabelError, match="12k has none of the 1 classes"):
        labels.integers(["n04399382"], "12k")


def test_a_label_space_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("n04399382 teddy\nn01440764\ttench\n")
    assert labels.integers(["n01440764", "n04399382"], str(path)) == {
        "n01440764": 1,
        "n04399382": 0,
    }


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"n01440764\nn01440764\n", "line 2 is 'n01440764'"),
        (b"n01440764\n\nn01443537\n", "line 2 is ''"),
        (b"tench\n", "line 1 is 'tench'"),
        (b"", "is empty"),
        (b"\xff\xfe", "cannot be read as text"),
    ],
)
def test_a_file_that_is_no_list_is_refused(content: bytes, match: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(LabelError, match=match):
        labels.wnids_of(str(path))


@pytest.mark.skipif(not SHARED.exists(), reason="the devkit's own table is not here")
def test_the_val_labels_are_those_of_the_devkit() -> None:
    ids = labels.integers(labels.ilsvrc2012_wnids(), "ilsvrc")
    truth = (SHARED / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
    assert [ids[wnid] for wnid in labels.val_wnids()] == [int(number) for number in truth]
