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
        integers = labels.integers(classes, name)  # type: ignore[arg-type]
        assert integers["n01440764"] == tench
        assert green_mamba in (None, integers["n01749939"])
        assert integers["n01751748"] == sea_snake
        assert last in (None, integers["n15075141"])
    assert sorted(labels.integers(classes, "ilsvrc").values()) == list(range(1, 1001))


def test_a_class_outside_of_ilsvrc2012_has_no_devkit_id() -> None:
    with pytest.raises(LabelError, match="n99999999 is not a class of ILSVRC2012"):
        labels.integers(["n99999999"], "ilsvrc")
    with pytest.raises(ValueError, match="known: sorted, ilsvrc, tf"):
        labels.integers(["n01440764"], "caffe")  # type: ignore[arg-type]


@pytest.mark.skipif(not SHARED.exists(), reason="the devkit's own table is not here")
def test_the_val_labels_are_those_of_the_devkit() -> None:
    ids = labels.integers(labels.ilsvrc2012_wnids(), "ilsvrc")
    truth = (SHARED / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
    assert [ids[wnid] for wnid in labels.val_wnids()] == [int(number) for number in truth]
