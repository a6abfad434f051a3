import json
from pathlib import Path

import pytest

from imnet_data.errors import EvaluationError, SourceError
from imnet_data.imagenet import labels, variants
from imnet_data.metrics import ClassSpace

WNIDS = labels.ilsvrc2012_wnids()
SHARED = Path(__file__).parents[3] / "shared" / "data"


def space(name):
    return ClassSpace(variants.counts_as(name, WNIDS))


@pytest.mark.parametrize(
    ("name", "first"), [("imagenet-a", [6, 11, 13]), ("imagenet-r", [1, 2, 4])]
)
def test_a_and_r_have_200_classes_each(name, first):
    assert space(name).labels[:3].tolist() == first
    assert len(space(name).labels) == 200


def test_a_and_r_share_86_classes():
    assert len(set(variants.wnids("imagenet-a")) & set(variants.wnids("imagenet-r"))) == 86


def test_objectnet_has_113_classes_of_125_outputs():
    table = variants.counts_as("objectnet", WNIDS)
    assert sum(label >= 0 for label in table) == 125
    assert len(space("objectnet").labels) == 113
    assert len(variants.objectnet_folders()) == 313
    assert sum(map(bool, variants.objectnet_folders().values())) == 113
    assert variants.objectnet_folders()["alarm_clock"] == ("n02708093", "n03196217")
    digital, analog = WNIDS.index("n03196217"), WNIDS.index("n02708093")
    assert table[digital] == table[analog] == analog


@pytest.mark.parametrize("name", [n for n in variants.VARIANTS if "v2" in n or "sketch" in n])
def test_v2_and_sketch_have_all_classes(name):
    assert space(name).labels.tolist() == list(range(1000))


def test_a_dataset_of_other_classes_cannot_be_scored_as_a_variant():
    with pytest.raises(EvaluationError, match="imagenet-a is scored among the 1000 classes of"):
        variants.counts_as("imagenet-a", WNIDS[:10])
    with pytest.raises(EvaluationError, match="no dataset called 'imagenet-x' is known"):
        variants.counts_as("imagenet-x", WNIDS)
    assert variants.counts_as("ilsvrc2012", WNIDS[:3]) == [0, 1, 2]


def test_real_labels_are_the_published_ones():
    real = variants.real_labels()
    assert real[:5] == ((), (970, 795), (230, 231), (809,), (516, 850))
    assert sum(not accepted for accepted in real) == 3163
    published = labels.integers(WNIDS)
    kept = sum(published[w] in among for w, among in zip(labels.val_wnids(), real, strict=True))
    assert kept == 42_164


def test_tables_are_those_of_the_projects_they_come_from():
    if not SHARED.is_dir():
        pytest.skip("the published files are not beside this repository")
    real = json.loads((SHARED / "imagenet_real_labels.json").read_text())
    assert [list(accepted) for accepted in variants.real_labels()] == real
    folders = json.loads((SHARED / "objectnet/folder_to_imagenet_1k.json").read_text())
    words = {synset.words: synset.wnid for synset in labels.ilsvrc2012()}
    expected = {
        folder: tuple(sorted(words[name] for name in names.split("; ")))
        for folder, names in folders.items()
    }
    assert {folder: wnids for folder, wnids in variants.objectnet_folders().items() if wnids} == (
        expected
    )


def test_nothing_is_trained_on_objectnet():
    with pytest.raises(SourceError, match="its licence forbids to train or tune anything on it"):
        variants.refuse_training("objectnet")
    variants.refuse_training("ilsvrc2012")
