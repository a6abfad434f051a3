"""Lists of classes by name."""

import pytest
from click import BadParameter

from imnet_data.cli import values
from imnet_data.imagenet import class_lists, labels

# as fastai's README names them
IMAGENETTE = {
    "tench", "English springer", "cassette player", "chain saw", "church", "French horn",
    "garbage truck", "gas pump", "golf ball", "parachute",
}  # fmt: skip
IMAGEWOOF = {
    "Australian terrier", "Border terrier", "Samoyed", "beagle", "Shih-Tzu", "English foxhound",
    "Rhodesian ridgeback", "dingo", "golden retriever", "Old English sheepdog",
}  # fmt: skip


@pytest.mark.parametrize("name", class_lists.NAMES)
def test_each_list_is_sorted_and_has_the_number_of_classes_that_it_is_known_for(name):
    counts = {
        "imagenette": 10, "imagewoof": 10, "imagenet100-cmc": 100, "imagenet100-kaggle": 100,
        "imagenet-a": 200, "imagenet-r": 200, "ilsvrc2012": 1000, "22k": 21_841, "12k": 11_821,
        "21k-goog": 21_843, "21k-p": 11_221, "21k-p-w21": 10_450,
    }  # fmt: skip
    found = class_lists.wnids(name)
    assert list(found) == sorted(set(found))
    assert len(found) == counts[name]


@pytest.mark.parametrize("name", class_lists.SUBSETS)
def test_subsets_are_of_ilsvrc2012(name):
    assert set(class_lists.wnids(name)) <= set(labels.ilsvrc2012_wnids())


@pytest.mark.parametrize(("name", "words"), [("imagenette", IMAGENETTE), ("imagewoof", IMAGEWOOF)])
def test_the_small_sets_have_the_classes_that_their_readme_names(name, words):
    of_wnid = labels.words_of()
    assert {of_wnid[wnid].partition(",")[0] for wnid in class_lists.wnids(name)} == words


def test_two_lists_of_one_name_are_two_lists():
    """Whoever takes the one for the other has 8 of 100 classes right."""
    one, other = map(class_lists.wnids, ("imagenet100-cmc", "imagenet100-kaggle"))
    assert len(set(one) & set(other)) == 8


def test_the_command_line_takes_a_list_by_its_name_and_names_all_for_a_wrong_one():
    assert values.classes("imagenette") == class_lists.wnids("imagenette")
    with pytest.raises(BadParameter, match="imagenet100-cmc, imagenet100-kaggle"):
        values.classes("imagenet100")
    with pytest.raises(ValueError, match="there is no list of classes called 'imagenet100'"):
        class_lists.wnids("imagenet100")
