"""A plan is a function of the records' keys, wnids and sizes, whatever their order was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imnet_data.conversion import classes, plan
from imnet_data.conversion.plan import OVERHEAD_NBYTES, SplitPlan
from imnet_data.conversion.planning import plan_conversion
from imnet_data.dataset.description import Options
from imnet_data.errors import SourceError
from imnet_data.record import Listing, Record, Records
from imnet_data.sources import Source

CLASSES = ("n01440764", "n01443537", "n01484850")


class Listed:
    """Records that are known by their listing alone."""

    def __init__(self, rows: list[tuple[str, str, int]]) -> None:
        keys, wnids, nbytes = zip(*rows, strict=True) if rows else ((), (), ())
        self.listing = Listing(
            np.array(keys, "S32"), np.array(wnids, "S9"), np.array(nbytes, np.int64)
        )

    def __len__(self) -> int:
        return len(self.listing.keys)

    def __getitem__(self, index: int) -> Record:
        raise AssertionError("a plan reads no image")

    def close(self) -> None:
        pass


rows = st.lists(
    st.tuples(
        st.integers(0, 10**6).map(lambda number: f"k{number}"),
        st.sampled_from(CLASSES),
        st.integers(1, 500_000),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[0],
)


def planned(
    records: list[tuple[str, str, int]], *, shard_nbytes: int = 100_000, **options: object
) -> SplitPlan:
    return plan.plan_split(
        "train",
        Listed(records),
        np.arange(len(records)),
        options=Options(seed=0, shard_nbytes=shard_nbytes, **options),  # type: ignore[arg-type]
        one_shard=False,
    )


def keys(made: SplitPlan) -> list[bytes]:
    return list(made.records.listing.keys[made.rows])


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_the_source_has_no_say(records, random) -> None:
    again = list(records)
    random.shuffle(again)
    one, other = planned(records), planned(again)
    assert keys(one) == keys(other)
    assert one.starts.tolist() == other.starts.tolist()
    assert one.listing_sha256 == other.listing_sha256


@given(rows, st.integers(1, 2_000_000))
def test_shards_have_every_record_once_and_are_full(records, shard_nbytes) -> None:
    made = planned(records, shard_nbytes=shard_nbytes)
    assert sorted(made.rows.tolist()) == list(range(len(records)))
    assert made.starts[0] == 0
    assert made.starts[-1] == len(records)
    sizes = made.records.listing.nbytes[made.rows] + OVERHEAD_NBYTES
    for start, stop in zip(made.starts[:-1], made.starts[1:], strict=True):
        assert stop > start
        assert stop == start + 1 or sizes[start:stop].sum() <= shard_nbytes
        if stop < len(records):  # the next one would not have gone in
            assert sizes[start : stop + 1].sum() > shard_nbytes


@given(rows, st.integers(1, 80), st.sampled_from(["shuffled", "sorted"]))
def test_planning_what_was_planned_changes_nothing(records, limit, order) -> None:
    made = planned(records, limit=limit, order=order)
    stored = [
        (key.decode(), wnid.decode(), int(nbytes))
        for key, wnid, nbytes in zip(*(c[made.rows] for c in made.records.listing), strict=True)
    ]
    assert len(stored) == min(limit, len(records))
    again = planned(stored, limit=limit, order=order)
    assert keys(again) == keys(made)
    assert again.starts.tolist() == made.starts.tolist()


@given(rows)
def test_any_change_of_a_record_changes_the_listing(records) -> None:
    key, wnid, nbytes = records[0]
    before = planned(records).listing_sha256
    other = CLASSES[(CLASSES.index(wnid) + 1) % len(CLASSES)]
    for changed in ((f"{key}x", wnid, nbytes), (key, other, nbytes), (key, wnid, nbytes + 1)):
        assert planned([changed, *records[1:]]).listing_sha256 != before


def test_two_records_of_one_key_are_refused() -> None:
    with pytest.raises(SourceError, match="two records have the key k1"):
        planned([("k1", CLASSES[0], 1), ("k2", CLASSES[0], 1), ("k1", CLASSES[1], 1)])


def test_a_class_list_has_wnids_once_each() -> None:
    splits: dict[str, Records] = {"train": Listed([("k", "n00000002", 1), ("l", "n00000001", 1)])}
    assert classes.class_list(["found"], None, splits) == ("n00000001", "n00000002")
    assert classes.class_list(None, ["n2", "n1"], splits) == ("n1", "n2")
    assert len(classes.class_list(None, None, splits)) == 1000


def planned_notes(format_name: str, image_nbytes: int, **options: int) -> tuple[str, ...]:
    records = Listed([(f"k{number}", CLASSES[0], image_nbytes) for number in range(1000)])
    source = Source({"train": records}, CLASSES[:1], (), ())
    made = plan_conversion(source, format_name=format_name, options=Options(**options))  # type: ignore[arg-type]
    return made.notes


@pytest.mark.parametrize("format_name", ["beton", "caffe"])
def test_a_large_split_that_becomes_one_file_is_noted(format_name: str) -> None:
    [note] = planned_notes(format_name, 1 << 19, limit=999)
    assert note.startswith(f"train: {format_name} has one file per split, so one process writes it")
    assert planned_notes(format_name, 1 << 19, limit=999, shard_nbytes=1 << 28) == ()
    assert planned_notes(format_name, 1 << 17, limit=999) == ()
    assert planned_notes("webdataset", 1 << 19, limit=999) == ()
