"""Which classes and records a dataset gets: 21K-P's rule, and what is below a synset."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imnet_data import Options, convert, verify
from imnet_data.conversion.planning import plan_conversion
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError, LabelError
from imnet_data.imagenet import class_lists
from imnet_data.record import Listing, Record
from imnet_data.sources import Source
from imnet_data.verification.repair import repair

PUBLISHED = {"21k-p": (11_797_632, 561_052, 11_221), "21k-p-w21": (11_060_223, 522_500, 10_450)}
ROOT, DOG, CAT, HOUND = (f"n0000000{digit}" for digit in range(1, 5))


class Listed:
    """Records that are known by their listing alone."""

    def __init__(self, counts: dict[str, int]) -> None:
        # numbers are not in the order of names, nor are the records
        pairs = [(f"{wnid}_{n}", wnid) for wnid, count in counts.items() for n in range(count)]
        keys, wnids = zip(*reversed(pairs), strict=True)
        self.listing = Listing(np.array(keys, "S"), np.array(wnids, "S"), np.ones(len(keys), int))

    def __len__(self) -> int:
        return len(self.listing.keys)

    def __getitem__(self, index: int) -> Record:
        raise AssertionError("a plan reads no image")

    def close(self) -> None:
        pass


def planned(counts: dict[str, int], **options: object) -> dict[str, list[str]]:
    source = Source({"train": Listed(counts)}, None, (), ())
    made = plan_conversion(source, format_name="tfrecord", options=Options(**options))  # type: ignore[arg-type]
    assert made.classes == tuple(sorted(set(made.classes)))
    return {
        name: split.records.listing.keys[split.rows].astype(str).tolist()
        for name, split in made.plans.items()
    }


def test_21k_p_takes_classes_of_more_than_500_images_and_their_first_50_names_as_val():
    counts = {DOG: 499, CAT: 500, HOUND: 501, ROOT: 620}
    splits = planned(counts, min_images=501, val_first=50)
    assert list(splits) == ["train", "val"]
    train, val = splits["train"], splits["val"]
    assert {key.partition("_")[0] for key in train} == {HOUND, ROOT}
    for wnid in (HOUND, ROOT):
        # what `ls` gives in the C locale: by the bytes of the names
        names = sorted(f"{wnid}_{number}.JPEG" for number in range(counts[wnid]))
        assert [f"{key}.JPEG" for key in val if key.startswith(wnid)] == names[:50]
        assert sorted(f"{key}.JPEG" for key in train if key.startswith(wnid)) == names[50:]
    assert len(train) == 501 + 620 - 2 * 50


@pytest.mark.parametrize("name", PUBLISHED)
def test_21k_p_has_the_published_counts_of_classes_and_what_the_rule_says_of_val(name):
    train, val, classes = PUBLISHED[name]
    assert len(class_lists.wnids(name)) == classes
    # fall11's own val has two images more than 50 of each class
    assert val - 50 * classes == {"21k-p": 2, "21k-p-w21": 0}[name]
    assert train + val >= 501 * classes


def test_what_cannot_be_selected_is_refused():
    with pytest.raises(ConvertError, match="none of the 2 classes has 10 images or more"):
        planned({DOG: 9, CAT: 3}, min_images=10)
    train, val = Listed({DOG: 9}), Listed({DOG: 3})
    both = Source({"train": train, "val": val}, (DOG,), (), ())
    with pytest.raises(ConvertError, match="the source has train, val; leave it out"):
        plan_conversion(both, format_name="lmdb", options=Options(val_first=2))
    only_val = Source({"val": val}, (DOG,), (), ())
    with pytest.raises(ConvertError, match="counts images of train, and there is none"):
        plan_conversion(only_val, format_name="lmdb", options=Options(min_images=2))


def test_a_synset_is_taken_with_what_is_below_it(tmp_path):
    is_a = tmp_path / "is_a.txt"
    is_a.write_text(f"{ROOT} {DOG}\n{ROOT} {CAT}\n{DOG} {HOUND}\n")
    counts = {DOG: 2, CAT: 3, HOUND: 4}
    kept = planned(counts, classes=(DOG,), hierarchy=str(is_a))["train"]
    assert sorted({key[:9] for key in kept}) == [DOG, HOUND]
    assert {key[:9] for key in planned(counts, classes=(DOG,))["train"]} == {DOG}  # without one
    assert len(planned(counts, classes=(ROOT,), hierarchy=str(is_a))["train"]) == 9
    with pytest.raises(LabelError, match="none of the 1 classes that are here"):
        planned({CAT: 3}, classes=(DOG,), hierarchy=str(is_a))


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="resize goes with neither max_side nor short_side"):
        Options(resize=224, short_side=256)
    with pytest.raises(ValueError, match="hierarchy says what is below classes"):
        Options(hierarchy=__file__)
    with pytest.raises(ValueError, match="hierarchy is '/no/file'"):
        Options(hierarchy="/no/file", classes=(DOG,))


def photograph(width: int, height: int, number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (number % 256, 90, 40)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """A tar of tars with three classes of 6, 7 and 8 images."""
    path = tmp_path_factory.mktemp("21k") / "fall11_whole.tar"
    with tarfile.open(path, "w") as whole:
        for at, wnid in enumerate((DOG, CAT, HOUND)):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for number in range(6 + at):
                    size = [(80, 40), (30, 31), (32, 20)][number % 3]
                    content = photograph(*size, number)
                    member = tarfile.TarInfo(f"{wnid}_{number * 7}.JPEG")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            member = tarfile.TarInfo(f"{wnid}.tar")
            member.size = inner.tell()
            inner.seek(0)
            whole.addfile(member, inner)
    return path


PROCESSED = Options(min_images=7, val_first=2, resize=32, shard_nbytes=20_000)


def test_a_processed_dataset_is_verified_converted_on_and_repaired(archive, tmp_path):
    made = convert(archive, tmp_path / "a", options=PROCESSED)
    assert made.classes == (CAT, HOUND)
    counts = {name: split.record_count for name, split in made.splits.items()}
    assert counts == {"train": 11, "val": 4}
    # converted on, nothing is selected again
    again = convert(tmp_path / "a", tmp_path / "b", format="lmdb")
    assert [split.digest for split in again.splits.values()] == [
        split.digest for split in made.splits.values()
    ]
    assert verify(tmp_path / "b") == []
    shard = next((tmp_path / "a" / "val").glob("*.tar"))
    before = shard.read_bytes()
    shard.write_bytes(before[:700] + bytes([before[700] ^ 255]) + before[701:])
    damage = verify(tmp_path / "a")
    assert damage
    repair(tmp_path / "a", [archive], damage)
    assert shard.read_bytes() == before
    assert verify(tmp_path / "a") == []


def test_another_selection_of_a_processed_dataset_is_refused(archive, tmp_path):
    convert(archive, tmp_path / "a", options=PROCESSED)
    with pytest.raises(ConvertError, match="was made with --min-images 7"):
        convert(tmp_path / "a", tmp_path / "b", options=Options(min_images=8))


def test_images_become_squares_unless_both_sides_are_smaller(archive, tmp_path):
    convert(archive, tmp_path / "a", options=PROCESSED)
    with Dataset.open(tmp_path / "a", "train") as train:
        sizes = {*zip(train.index.width.tolist(), train.index.height.tolist(), strict=True)}
        fixes = train.split_description.fixes
    assert sizes == {(32, 32), (30, 31)}
    assert sum(fixes.values()) == fixes["resized"]


def test_a_whole_dataset_can_be_processed_later(archive, tmp_path):
    convert(archive, tmp_path / "whole", options=Options(classes=("found",)))
    later = convert(tmp_path / "whole", tmp_path / "later", options=PROCESSED)
    at_once = convert(archive, tmp_path / "at_once", options=PROCESSED)
    assert later.splits == at_once.splits
    assert later.classes == at_once.classes
