"""Labels, randomness, order, manifest, index: what everything else stands on."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from imnet_data import order, rng
from imnet_data.dataset import index, manifest
from imnet_data.dataset.manifest import Entry
from imnet_data.errors import LabelError, ManifestError
from imnet_data.imagenet import labels
from imnet_data.record import Box
from imnet_data.rng import Stream

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


def entries(count: int = 5) -> list[Entry]:
    return [
        Entry(
            key=f"n01440764_{number}",
            wnid="n01440764" if number % 2 else "n01443537",
            width=500,
            height=375,
            nbytes=1000 + number,
            sha256=hashlib.sha256(bytes([number])).hexdigest(),
            shard=number // 3,
            offset=number * 4096,
            fix="png-to-jpeg" if number == 3 else "",
            boxes=(Box(1, 2, 3, 4),) * number,
        )
        for number in range(count)
    ]


def lines(count: int = 5) -> list[bytes]:
    return [f"{manifest.to_line(entry)}\n".encode() for entry in entries(count)]


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


def test_random_numbers_are_golden() -> None:
    bits = rng.hash64(0, Stream.ORDER, 0, np.arange(3))
    assert bits.tolist() == [9448219569539525645, 12692095714885362647, 15631229225272677550]
    assert order.shuffled(10, seed=0).tolist() == [8, 4, 3, 7, 9, 6, 0, 1, 2, 5]
    assert order.shuffled(10, seed=0, epoch=1).tolist() != order.shuffled(10, seed=0).tolist()


def test_seed_epoch_index_draw_and_stream_do_not_collide() -> None:
    indices = np.arange(40)
    seen = [
        rng.hash64(seed, stream, epoch, indices, draw=draw)
        for seed in (-1, 0, 1, 2**63)
        for stream in Stream
        for epoch in range(4)
        for draw in range(4)
    ]
    assert len(np.unique(np.concatenate(seen))) == len(seen) * len(indices)


def test_a_number_does_not_depend_on_its_neighbours() -> None:
    indices = np.array([5, 1_281_166, 0])
    together = rng.uniform(3, Stream.CROP, 2, indices)
    alone = [rng.uniform(3, Stream.CROP, 2, np.array([index]))[0] for index in indices]
    assert together.tolist() == alone
    assert (together >= 0).all()
    assert (together < 1).all()


def test_a_shuffle_is_a_fair_permutation() -> None:
    places = np.zeros((6, 6), int)
    for seed in range(3000):
        shuffled = order.shuffled(6, seed=seed)
        assert sorted(shuffled.tolist()) == list(range(6))
        places[np.arange(6), shuffled] += 1
    assert np.abs(places - 500).max() < 100  # five standard deviations


def test_a_manifest_reads_back_and_its_bytes_are_the_same_twice(tmp_path: Path) -> None:
    manifest.write(tmp_path / "a", lines())
    manifest.write(tmp_path / "b", [b"".join(lines())])  # in one piece
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert list(manifest.read(tmp_path / "a")) == entries()
    assert list(manifest.read(tmp_path / "a", start=3)) == entries()[3:]


def test_the_digest_covers_what_records_are_and_not_where_they_lie() -> None:
    def digest(*changed: Entry) -> str:
        state = manifest.Digest()
        for entry in [*entries()[:-1], *changed]:
            state.update(entry)
        return state.hexdigest()

    last = entries()[-1]
    moved = last._replace(shard=9, offset=7, fix="x", published_nbytes=5)
    assert digest(moved) == digest(last)
    for other in (
        last._replace(key="n01440764_99"),
        last._replace(wnid="n01443537" if last.wnid == "n01440764" else "n01440764"),
        last._replace(width=1),
        last._replace(height=1),
        last._replace(sha256="0" * 64),
        last._replace(boxes=()),
    ):
        assert digest(other) != digest(last)
    assert digest(last, entries()[0]) != digest(entries()[0], last)


def test_a_manifest_that_is_cut_or_changed_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    manifest.write(path, lines(40))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(ManifestError):
            list(manifest.read(path))
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            assert list(manifest.read(path)) == entries(40)  # a bit that says nothing
        except ManifestError:
            continue


def test_an_index_has_the_columns_of_its_manifest(tmp_path: Path) -> None:
    builder = index.Builder({"n01440764": 0, "n01443537": 1})
    rows = list(builder.watch(entries()))
    table = builder.table("d" * 64)
    path = tmp_path / "index.npy"
    path.write_bytes(index.to_bytes(table))
    opened = index.open_index(path)
    assert opened.digest == "d" * 64
    assert opened.key.tolist() == [entry.key.encode() for entry in rows]
    assert opened.label.tolist() == [1, 0, 1, 0, 1]
    assert opened.offset.tolist() == [entry.offset for entry in rows]
    assert opened.fix.tolist() == [0, 0, 0, 1, 0]
    assert [opened.boxes_of(number) for number in range(5)] == [entry.boxes for entry in rows]
    with pytest.raises(ManifestError, match="n01440764_0: its wnid n01443537 is not in the class"):
        list(index.Builder({"n01440764": 0}).watch(rows))


def test_an_index_that_is_cut_or_foreign_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.npy"
    with pytest.raises(ManifestError, match="is missing"):
        index.open_index(path)
    whole = index.to_bytes(index.Builder({}).table(""))
    foreign = tmp_path / "foreign.npy"
    np.save(foreign, np.arange(10))
    for content in (b"", whole[:-1], whole + b"\0", whole[:40], foreign.read_bytes(), b"x" * 300):
        path.write_bytes(content)
        with pytest.raises(ManifestError, match="damaged"):
            index.open_index(path)
