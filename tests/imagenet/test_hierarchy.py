"""What is below a synset, by a file of pairs or by a devkit."""

import tarfile
from pathlib import Path

import pytest

from imnet_data.errors import LabelError
from imnet_data.imagenet import labels
from imnet_data.imagenet.hierarchy import Hierarchy, read
from imnet_data.sources import hierarchy
from imnet_data.synth import DEVKIT, synth

ANIMAL, DOG, CAT, HOUND, MUTT, TREE = (f"n0000000{digit}" for digit in range(1, 7))
# a hound is a dog, and hunts; a synset may be below several
PAIRS = [(ANIMAL, DOG), (ANIMAL, CAT), (DOG, HOUND), (ANIMAL, HOUND), (DOG, MUTT)]


def written(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{parent} {child}\n" for parent, child in pairs))
    return path


def test_a_synset_stands_for_itself_and_all_below_it(tmp_path):
    tree = read(written(tmp_path / "is_a.txt", PAIRS))
    assert tree.below(DOG) == {DOG, HOUND, MUTT}
    assert tree.below(ANIMAL) == {ANIMAL, DOG, CAT, HOUND, MUTT}
    assert tree.below(CAT) == {CAT}
    assert CAT in tree
    assert TREE not in tree


def test_what_is_below_counts_only_as_far_as_it_is_here(tmp_path):
    tree = read(written(tmp_path / "is_a.txt", PAIRS))
    assert tree.expanded([DOG], [HOUND, CAT, DOG]) == (DOG, HOUND)
    assert tree.expanded([HOUND, TREE], [CAT]) == (HOUND, TREE)  # nothing is below them: as named
    with pytest.raises(LabelError, match=f"{DOG}: none of the 1 classes that are here"):
        tree.expanded([DOG], [CAT])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{ANIMAL} {DOG}\n{DOG}\n", "line 2 is 'n00000002'"),
        (f"{ANIMAL} dog\n", "line 1 is"),
        ("", "is empty"),
        ("\xff\n", "cannot be read as text"),
        (f"{ANIMAL} {DOG}\n{DOG} {ANIMAL}\n", "is below itself"),
    ],
)
def test_a_file_that_is_no_hierarchy_is_refused_with_its_line(tmp_path, content, message):
    path = tmp_path / "is_a.txt"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(LabelError, match=message):
        read(path)


def test_a_hierarchy_may_be_deep_without_recursion():
    wnids = [f"n{number:08d}" for number in range(5000)]
    chain = {one: (other,) for one, other in zip(wnids, [*wnids[1:], "n99999999"], strict=True)}
    assert len(Hierarchy(chain, origin="a chain").below(wnids[0])) == 5001


def test_a_devkit_and_its_meta_mat_have_one_hierarchy(tmp_path):
    synth(tmp_path, class_count=7, images_per_class=1, val_per_class=1, mean_nbytes=1500)
    tree = hierarchy.read(tmp_path / DEVKIT)
    root = "n00001740"  # entity
    leaves = tree.below(root) & set(labels.ilsvrc2012_wnids())
    assert len(leaves) == 7

    with tarfile.open(tmp_path / DEVKIT) as archive:
        meta = archive.extractfile("ILSVRC2012_devkit_t12/data/meta.mat")
        assert meta is not None
        (tmp_path / "meta.mat").write_bytes(meta.read())
    assert hierarchy.read(tmp_path / "meta.mat").below(root) == tree.below(root)
    with pytest.raises(LabelError, match=r"has no meta\.mat"):
        hierarchy.read(tmp_path / "ILSVRC2012_img_val.tar")
