"""Accuracy of the classes below a synset, against counts by hand."""

import json

import numpy as np
import pytest

from imnet_data import Options, convert
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError, LabelError
from imnet_data.evaluation import Grouping, Model, Protocol, evaluate, text
from imnet_data.evaluation.groups import by_group, members
from imnet_data.imagenet.hierarchy import Hierarchy
from imnet_data.metrics import Accuracy, Results
from imnet_data.transforms import EvalRecipe

ROOT, ANIMAL, DOG, THING, TREE = (f"n0000000{digit}" for digit in range(1, 6))
HOUND, MUTT, CAT, CAR, CUP = CLASSES = tuple(f"n1000000{digit}" for digit in range(5))
HIERARCHY = Hierarchy(
    {
        ROOT: (ANIMAL, THING, TREE),
        ANIMAL: (DOG, CAT),
        DOG: (HOUND, MUTT),
        THING: (CAR, CUP),
        TREE: (),
        **dict.fromkeys(CLASSES, ()),
    },
    origin="WordNet",
    words={ANIMAL: "animal, animate being", DOG: "dog"},
)
#            record: hound hound mutt cat car car
LABELS = np.array([0, 0, 1, 2, 3, 3])
PREDICTED = np.array([0, 1, 2, 3, 3, 4])
RESULTS = Results(LABELS, PREDICTED[:, np.newaxis], np.zeros(6, np.int64))


def groups(*wnids: str):
    grouping = Grouping(HIERARCHY, wnids or None)
    return by_group(RESULTS, members(LABELS, CLASSES, grouping), HIERARCHY)


def test_a_group_counts_the_right_class_and_any_class_of_the_group():
    dog, animal, thing = groups(DOG, ANIMAL, THING)
    assert (dog.top1, dog.within, dog.class_count) == (Accuracy(1, 3), Accuracy(2, 3), 2)
    # the mutt that is taken for a cat is an animal; the cat that is taken for a car is not
    assert (animal.top1, animal.within, animal.class_count) == (Accuracy(1, 4), Accuracy(3, 4), 3)
    assert (thing.top1, thing.within, thing.class_count) == (Accuracy(1, 2), Accuracy(2, 2), 1)
    assert (animal.words, thing.words) == ("animal, animate being", "")


def test_groups_by_default_are_those_by_which_the_hierarchy_divides_the_classes():
    assert [group.wnid for group in groups()] == [ANIMAL, THING]  # there is no tree
    assert HIERARCHY.branches([HOUND, MUTT]) == (HOUND, MUTT)
    assert HIERARCHY.branches([CAT]) == (CAT,)
    with pytest.raises(LabelError, match="no synset has all 2 classes below it; name groups"):
        HIERARCHY.branches([CAT, "n99999999"])


def test_a_group_without_a_record_is_refused_before_anything_is_scored():
    with pytest.raises(EvaluationError, match=f"{TREE}: no record is of a class at or below it"):
        groups(DOG, TREE)


def test_an_evaluation_reports_groups_as_text_and_json(records, tmp_path):
    for record in records:
        path = tmp_path / "in/val" / record.wnid / f"{record.key}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.jpeg)
    convert(tmp_path / "in", tmp_path / "out", options=Options(classes=("found",)), workers=1)
    with Dataset.open(tmp_path / "out") as dataset:
        classes, labels = dataset.classes, dataset.labels.tolist()
    first, *others = classes
    tree = Hierarchy({ROOT: (ANIMAL, first), ANIMAL: tuple(others)}, origin="a tree")
    model = Model("first", lambda images, recipe: np.eye(4)[np.zeros(len(images), int)], classes)

    def scored(grouping):
        protocol = Protocol(recipes=(EvalRecipe(resize=8, crop=8),))
        return evaluate(model, tmp_path / "out", protocol=protocol, grouping=grouping)

    result = scored(Grouping(tree))
    count = labels.count(0)
    rest = len(labels) - count
    assert [(group.wnid, group.top1, group.within) for group in result.groups] == [
        (ANIMAL, Accuracy(0, rest), Accuracy(0, rest)),
        (first, Accuracy(count, count), Accuracy(count, count)),
    ]
    lines = text.text(result).splitlines()
    at = lines.index("  groups of classes: top-1, and predictions of any class of the group")
    assert lines[at + 1].startswith(f"    {ANIMAL}, 3 classes: 0.000 % (0 of {rest}); 0.000 %")
    assert lines[at + 2].startswith(f"    tench {first}, 1 class: 100.000 % ({count} of {count});")
    [document] = json.loads(text.to_json([result]))
    assert document["groups"][1]["top1"] == {"correct": count, "total": count}
    assert "groups" not in json.loads(text.to_json([scored(None)]))[0]
