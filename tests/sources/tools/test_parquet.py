"""Hugging Face's Parquet files: read in place, labels never guessed, damage told in one line."""

import json
import multiprocessing
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from opened_sources import read, refused

from imnet_data import convert
from imnet_data.archives.parquet import Kept, Rows
from imnet_data.cli import main
from imnet_data.dataset.description import Options
from imnet_data.errors import MissingExtra, SourceError
from imnet_data.imagenet import labels
from imnet_data.sources import open_sources
from imnet_data.sources.tools.parquet import Parquet
from imnet_data.sources.tools.parts import split_of_file
from imnet_data.verification.repair import repair
from imnet_data.verification.verify import verify

TENCH, GOLDFISH = labels.ilsvrc2012_wnids()[:2]
JPEG = b"\xff\xd8\xff" + bytes(range(200))


class Row(NamedTuple):
    path: str | None
    label: int | None = None
    image: bytes | None = JPEG


def write(path: Path, rows, *, names=None, group_rows=3, with_labels=True, **options) -> Path:
    """Write a file as the library `datasets` does; `names` are those of a ClassLabel."""
    columns = {"image": [{"bytes": row.image, "path": row.path} for row in rows]}
    fields = [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))]
    features = {"image": {"_type": "Image"}}
    if with_labels:
        columns["label"] = [row.label for row in rows]
        fields.append(("label", pa.int64()))
        features["label"] = {"names": names, "_type": "ClassLabel"} if names else {"_type": "Value"}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns, schema=pa.schema(fields, metadata=metadata))
    pq.write_table(table, path, row_group_size=group_rows, **options)
    return path


@pytest.fixture(scope="module")
def held(tarballs, tmp_path_factory) -> Path:
    """The synthetic ImageNet as the Hub has the real one: rows shuffled, wnids in the paths."""
    root = tmp_path_factory.mktemp("hub")
    source = open_sources(tarballs)
    wnids = labels.ilsvrc2012_wnids()
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        records = source.splits[split]
        rows = [
            Row(
                f"{record.key}_{record.wnid}.JPEG" if record.wnid else f"{record.key}.JPEG",
                wnids.index(record.wnid) if record.wnid else -1,
                record.jpeg,
            )
            for record in (records[at * 11 % len(records)] for at in range(len(records)))
        ]
        parts = 2 if split == "train" else 1
        for part in range(parts):
            file = root / "data" / f"{name}-{part:05}-of-{parts:05}.parquet"
            write(file, rows[part::parts])
    source.close()
    return root


def test_a_copy_of_the_hub_becomes_the_bytes_of_the_tarballs(tarballs, held, tmp_path):
    options = Options(shard_nbytes=64_000, classes=("found",))
    ours = convert(held, tmp_path / "hub", options=options, workers=2)
    theirs = convert(tarballs, tmp_path / "tar", options=options, workers=2)
    assert list(ours.splits) == ["train", "val", "test"]
    for split, described in theirs.splits.items():
        assert ours.splits[split].digest == described.digest
        for shard in described.shards:
            name = f"{split}/{shard.name}"
            assert (tmp_path / "hub" / name).read_bytes() == (tmp_path / "tar" / name).read_bytes()
    names = sorted(path.name for path in (held / "data").iterdir())
    assert [name for name, _ in ours.sources] == names


def test_a_shard_is_repaired_from_parquet_files_whose_labels_are_integers(tmp_path, tarballs):
    source = open_sources(tarballs, split="train")
    records = source.splits["train"]
    wnids = labels.ilsvrc2012_wnids()
    rows = [Row(f"{at}.jpg", wnids.index(records[at].wnid), records[at].jpeg) for at in range(9)]
    source.close()
    file = write(tmp_path / "in" / "train.parquet", rows)
    root = tmp_path / "out"
    convert(file, root, options=Options(labels="sorted", classes=("found",)), workers=1)
    shard = root / "train" / "train-000000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    differences = verify(root, workers=1)
    assert differences
    assert "train/train-000000.tar" in repair(root, [file], differences, workers=1)
    assert shard.read_bytes() == whole
    assert verify(root, workers=1) == []


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("train-00000-of-00294.parquet", "train"),
        ("validation-00003-of-00014-0123456789abcdef.parquet", "val"),
        ("default/train/0000.parquet", "train"),
        ("default/validation/0000.parquet", "val"),
        ("data/imagenet-100_test.parquet", "test"),
        ("part-0.parquet", ""),
    ],
)
def test_the_split_is_that_of_the_file_or_its_folder(file, split, tmp_path):
    path = write(tmp_path / "held" / file, [Row(f"{TENCH}_1.JPEG", 0)])
    assert split_of_file(path) == split
    if split:
        assert list(read(tmp_path / "held")) == list(read(path)) == [split]
    else:
        assert "its name says no split" in refused(path)
        assert list(read(path, split="val")) == ["val"]


@pytest.mark.parametrize(
    "path", [f"a_{TENCH}.JPEG", f"{TENCH}_5.JPEG", f"/somewhere/train/{TENCH}/photo.jpg"]
)
def test_the_wnid_is_that_of_the_path(path, tmp_path):
    file = write(tmp_path / "train.parquet", [Row(path, 7), Row(f"{TENCH}_9", 7)])
    assert {record.wnid for record in read(file)["train"]} == {TENCH}


def test_labels_are_read_by_the_space_that_is_named_and_never_guessed(tmp_path):
    file = write(tmp_path / "train.parquet", [Row(None, 1), Row("b.png", 1)])
    message = refused(file)
    assert "row 0: has the label 1, and no wnid in its name; say what its labels mean with --" in (
        message
    )
    listed = tmp_path / "list.txt"
    listed.write_text(f"{TENCH}\nn99999999\n")
    spaces = {"sorted": GOLDFISH, "tf": TENCH, "ilsvrc": labels.wnids_of("ilsvrc")[1]}
    for space, wnid in (
        spaces | {"12k": labels.wnids_of("12k")[1], str(listed): "n99999999"}
    ).items():
        found = read(file, labels=space)["train"]
        assert [(record.key, record.wnid) for record in found] == [("b", wnid), ("train_0", wnid)]
    assert "unknown label space 'caffe'" in (
        CliRunner().invoke(main, ["inspect", str(file), "--labels", "caffe"]).stderr
    )


def test_a_label_outside_of_the_space_is_refused(tmp_path):
    file = write(tmp_path / "train.parquet", [Row("a", 0), Row("b", 1000)])
    assert "row 1: the label 1000 is none of the label space sorted" in refused(
        file, "--labels", "sorted"
    )
    assert "row 0: the label 0 is none of the label space tf" in refused(file, "--labels", "tf")


def test_a_label_that_contradicts_the_wnid_in_the_path_is_refused(tmp_path):
    file = write(tmp_path / "train.parquet", [Row(f"{TENCH}_5.JPEG", 0)])
    assert read(file)["train"] == read(file, labels="sorted")["train"]
    message = refused(file, "--labels", "ilsvrc")
    assert "the label 0 is none of the label space ilsvrc" in message
    file = write(tmp_path / "train.parquet", [Row(f"{TENCH}_5.JPEG", 1)])
    message = refused(file, "--labels", "sorted")
    assert f"says that it is {TENCH}, and its label 1 is {GOLDFISH} by the label space sor" in (
        message
    )


@pytest.mark.parametrize(
    "names",
    [
        [GOLDFISH, TENCH],
        ["goldfish, Carassius auratus", "tench, Tinca tinca"],
        ["Goldfish", "tench"],
    ],
)
def test_the_class_list_of_the_file_is_used_and_checked(names, tmp_path):
    file = write(tmp_path / "train.parquet", [Row("a", 0), Row("b", 1)], names=names)
    assert [record.wnid for record in read(file)["train"]] == [GOLDFISH, TENCH]
    assert f"its own class list says that label 0 is {GOLDFISH}, and in sorted it is {TENCH}" in (
        refused(file, "--labels", "sorted")
    )


def test_words_that_two_classes_share_are_told_apart_by_their_place(tmp_path):
    names = [synset.words for synset in labels.ilsvrc2012()]
    cranes = [at for at, name in enumerate(names) if name == "crane"]
    assert len(cranes) == 2
    file = write(tmp_path / "train.parquet", [Row(str(at), at) for at in cranes], names=names)
    wnids = labels.ilsvrc2012_wnids()
    assert [record.wnid for record in read(file)["train"]] == [wnids[at] for at in cranes]
    names[0], names[1] = names[1], names[0]  # not the sorted wnids any more
    write(file, [Row(str(at), at) for at in cranes], names=names)
    assert "no wnid in its name" in refused(file)


def test_images_of_test_have_no_label(tmp_path):
    rows = [Row("ILSVRC2012_test_00000001.JPEG", -1), Row("b.jpg", None)]
    found = read(write(tmp_path / "test-0.parquet", rows))["test"]
    assert [(record.key, record.wnid) for record in found] == [
        ("ILSVRC2012_test_00000001", ""),
        ("b", ""),
    ]
    assert "is of train, and has neither a label nor a wnid in its name" in refused(
        write(tmp_path / "in" / "train-0.parquet", rows)
    )


def test_the_column_label_may_be_missing(tmp_path):
    file = write(tmp_path / "train.parquet", [Row(f"{TENCH}_5.JPEG")], with_labels=False)
    assert [record.wnid for record in read(file)["train"]] == [TENCH]


def test_one_name_twice_is_refused_with_both_rows(tmp_path):
    rows = [Row(f"{TENCH}_5.JPEG", 0)] * 2
    assert "row 0 and" in refused(write(tmp_path / "train.parquet", rows))


def test_parts_that_are_missing_are_told(tmp_path):
    write(tmp_path / "train-00001-of-00003.parquet", [Row(f"{TENCH}_5.JPEG", 0)])
    source = open_sources(tmp_path)
    source.close()
    assert any("train: 1 of its 3 files were found" in note for note in source.notes)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"a": [1]}, "needed is one column of images, struct<bytes, path>, and there are 0"),
        ({"image": [b"x"], "label": [1]}, "there are 0 .columns: image, label"),
        ({"image": [{"bytes": b"x", "path": "a"}], "label": [[1, 2]]}, "column label has list"),
        ({"image": [{"bytes": b"x", "path": "a"}], "label": ["cat"]}, "column label has string"),
        ({"image": [{"bytes": None, "path": "a"}], "label": [1]}, "row 0: has no bytes of an im"),
        ({"image": [None], "label": [1]}, "row 0: has no bytes of an image"),
    ],
)
def test_other_columns_are_refused(columns, match, tmp_path):
    file = tmp_path / "train.parquet"
    if columns.get("image") in ([None], [{"bytes": None, "path": "a"}]):
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        columns["image"] = pa.array(columns["image"], kind)
    pq.write_table(pa.table(columns), file)
    with pytest.raises(SourceError, match=match):
        open_sources(file)


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b'{"info": 3}', b'{"info": {"features": {"label": {"names": [1]}}}}']
)
def test_damaged_metadata_is_refused(metadata, tmp_path):
    file = write(tmp_path / "train.parquet", [Row(f"{TENCH}_5.JPEG", 0)])
    table = pq.read_table(file).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, file)
    assert "schema" in refused(file)


def test_damage_is_one_line_wherever_it_is(tmp_path):
    rows = [Row(f"{TENCH}_{at}.JPEG", 0, JPEG * 9) for at in range(7)]
    options = {"write_page_checksum": True, "use_dictionary": False}
    file = write(tmp_path / "train.parquet", rows, **options)
    whole = file.read_bytes()
    broken = 0
    for at in range(0, len(whole), 37):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            file.write_bytes(damaged)
            try:
                found = read(file)
            except SourceError as error:
                assert str(file) in str(error)
                assert "\n" not in str(error)
                broken += 1
            else:
                assert len(found["train"]) == len(rows)
    assert broken > len(whole) / 37  # each that was cut, and more
    file.write_bytes(whole[: len(whole) // 2])
    assert "damaged, or no Parquet file" in refused(file)


def test_a_file_of_another_name_is_known_by_its_first_bytes(tmp_path):
    file = write(tmp_path / "train.pq", [Row(f"{TENCH}_5.JPEG", 0)])
    assert len(read(file)["train"]) == 1
    with pytest.raises(SourceError, match=r"a Parquet file of another name.*call it SPLIT-<num"):
        open_sources(tmp_path)


def test_row_groups_are_kept_within_bounds_and_large_ones_not_at_all(tmp_path):
    rows = [Row(f"{TENCH}_{at}.JPEG", 0, bytes([at]) * 1000) for at in range(20)]
    file = write(tmp_path / "train.parquet", rows, group_rows=4, compression="none")
    for most in (1, 9_000, 1 << 20):
        kept = Kept(most)
        opened = Rows(file, kept)
        for at in (*range(20), *range(19, -1, -3), 7, 7):
            assert opened.image(at) == rows[at].image
            assert kept._nbytes == sum(len(i) for g in kept._groups.values() for i in g)
            assert kept._nbytes <= most
        assert len(kept._groups) == {1: 0, 9_000: 2, 1 << 20: 5}[most]


def _images(container, entries):
    return [container.read(entry.place, entry.nbytes) for entry in entries]


def test_a_forked_process_reads_the_files_by_itself(tmp_path):
    rows = [Row(f"{TENCH}_{at}.JPEG", 0, bytes([at]) * 1000) for at in range(20)]
    files = [write(tmp_path / f"train-{part}.parquet", rows[part::2]) for part in range(2)]
    container = Parquet(files)
    entries = list(container.entries())
    wanted = _images(container, entries)
    assert Counter(wanted) == Counter(row.image for row in rows)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(_images(container, entries)))
    with container._files[0]._kept.lock():  # as another thread may
        child.start()
    assert queue.get() == wanted
    child.join()


def test_a_file_that_changed_since_it_was_listed_is_told(tmp_path):
    file = write(tmp_path / "train.parquet", [Row(f"{TENCH}_5.JPEG", 0)])
    source = open_sources(file)
    write(file, [Row(f"{TENCH}_5.JPEG", 0, JPEG * 2)])
    with pytest.raises(SourceError, match="had 203 bytes when it was listed, has 406 now"):
        source.splits["train"][0]
    source.close()


def test_a_label_space_that_was_not_used_is_told(tarballs):
    source = open_sources(tarballs, labels="sorted")
    source.close()
    assert "--labels was not used: no file here has integers as labels" in source.notes


def test_what_was_made_from_parquet_files_is_repaired_from_tarballs(tarballs, held, tmp_path):
    root = tmp_path / "out"
    options = Options(labels="sorted", classes=("found",))
    convert(held, root, options=options, split="val", workers=1)
    shard = root / "val" / "val-000000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    differences = verify(root, workers=1)
    assert differences
    repair(root, [tarballs], differences, workers=1)
    assert shard.read_bytes() == whole


def test_pyarrow_that_is_not_installed_is_told(tmp_path, monkeypatch):
    file = write(tmp_path / "train.parquet", [Row(f"{TENCH}_5.JPEG", 0)])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install -e '.\[parquet\]'"):
        open_sources(file)


def test_what_datasets_writes_is_read(records, tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    wnids = sorted({record.wnid for record in records})
    columns = {
        "image": [{"bytes": each.jpeg, "path": f"{each.key}.JPEG"} for each in records],
        "label": [wnids.index(record.wnid) for record in records],
    }
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=wnids)}
    written = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    written.to_parquet(str(tmp_path / "train-00000-of-00001.parquet"))
    found = read(tmp_path)["train"]
    assert found == sorted(record._replace(boxes=()) for record in records)
    message = refused(tmp_path / "train-00000-of-00001.parquet", "--labels", "tf")
    assert f"says that label 0 is {TENCH}, and in tf it is no class" in message


def test_a_file_of_our_own_is_given_by_its_dataset(made):
    folder = made["parquet"]
    assert "is given by its folder, the one that has dataset.json" in refused(folder / "train")
    assert CliRunner().invoke(main, ["inspect", str(folder)]).exit_code == 0
