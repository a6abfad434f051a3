import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import source_layouts as layouts
from hypothesis import given, settings
from hypothesis import strategies as st

from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.sources import matlab, open_sources
from imnet_data.sources.devkit import read_ground_truth, read_meta

FIELDS = (
    "ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height",
    "num_train_images",
)  # fmt: skip


def _synsets(rows: list[tuple[Any, ...]]) -> np.ndarray:
    array = np.empty((len(rows), 1), [(field, "O") for field in FIELDS])
    for at, row in enumerate(rows):
        array[at, 0] = row
    return array


def _official_rows() -> list[tuple[Any, ...]]:
    leaves = [
        (float(s.ilsvrc_id), s.wnid, s.words, "gloss", 0.0, np.zeros((0, 0)), 0.0, 1300.0)
        for s in labels.ilsvrc2012()
    ]
    inner = [
        (1001.0 + n, f"n{n:08d}", "entity", "that", 2.0, np.array([[1.0, 1002.0 + n]]), 19.0, 0.0)
        for n in range(3)
    ]
    inner[2] = (*inner[2][:5], np.array([[1.0, 2.0]]), 19.0, 0.0)
    return leaves + inner


def _saved(rows: list[tuple[Any, ...]], *, compressed: bool = True) -> bytes:
    scipy_io = pytest.importorskip("scipy.io", reason="scipy writes and reads MATLAB files")
    buffer = io.BytesIO()
    other = {"before": np.arange(5), "synsets": _synsets(rows)}
    scipy_io.savemat(buffer, other, do_compression=compressed)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_the_struct_array_is_what_scipy_reads(compressed):
    content = _saved(_official_rows()[::50], compressed=compressed)
    scipy_io = pytest.importorskip("scipy.io", reason="scipy writes and reads MATLAB files")
    expected = scipy_io.loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
    found = matlab.struct_array(content, "synsets")
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        assert tuple(row) == FIELDS == expected.dtype.names
        for field in FIELDS:
            if isinstance(other[field], str):
                assert row[field] == other[field]
            else:
                assert np.array_equal(np.ravel(row[field]), np.ravel(other[field]))


def test_what_the_synthetic_devkit_writes_scipy_reads_alike():
    scipy_io = pytest.importorskip("scipy.io", reason="scipy writes and reads MATLAB files")
    content = layouts.devkit_files()["ILSVRC2012_devkit_t12/data/meta.mat"]
    expected = scipy_io.loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
    found = matlab.struct_array(content, "synsets")
    assert [row["WNID"] for row in found] == expected["WNID"].tolist()
    assert [int(row["num_children"][0]) for row in found] == expected["num_children"].tolist()


def test_the_leaves_of_the_whole_devkit_are_the_thousand_classes():
    kit = read_meta(_saved(_official_rows()), archive="devkit")
    assert kit.synsets == labels.ilsvrc2012()
    assert kit.classes == labels.ilsvrc2012_wnids()


def test_the_tree_has_the_children_of_each_node():
    children = read_meta(_saved(_official_rows()), archive="kit").children()
    by_id = {synset.ilsvrc_id: synset.wnid for synset in labels.ilsvrc2012()}
    assert len(children) == 1003
    assert children["n00000000"] == (by_id[1], "n00000001")
    assert children["n00000001"] == (by_id[1], "n00000002")
    assert children["n00000002"] == (by_id[1], by_id[2])
    assert not any(children[wnid] for wnid in labels.ilsvrc2012_wnids())


def test_every_class_is_below_the_root_of_the_synthetic_tree():
    content = layouts.devkit_files()["ILSVRC2012_devkit_t12/data/meta.mat"]
    kit = read_meta(content, archive="kit")
    children, found, waiting = kit.children(), set(), ["n00001740"]
    while waiting:
        found.add(node := waiting.pop())
        waiting += children[node]
    assert found == set(children)
    assert found > set(kit.classes)


@pytest.mark.parametrize(
    ("child", "match"),
    [(5000.0, "no synset has the id 5000"), (1001.0, "n00000000 is below itself")],
)
def test_a_tree_that_is_none_is_an_error_when_it_is_asked_for(child, match):
    rows = _official_rows()
    rows[1000] = (*rows[1000][:5], np.array([[1.0, child]]), 19.0, 0.0)
    kit = read_meta(_saved(rows), archive="kit")
    assert kit.synsets == labels.ilsvrc2012()
    with pytest.raises(SourceError, match=f"^kit: meta.mat: {match}.*; pass ILSVRC2012_devkit"):
        kit.children()


def test_some_classes_are_enough():
    kit = read_meta(_saved(_official_rows()[10:12]), archive="devkit")
    assert kit.classes == labels.ilsvrc2012_wnids()[10:12]


def _changed(**fields: object) -> list[tuple[Any, ...]]:
    first, *rest = _official_rows()[:5]
    return [tuple(fields.get(f, v) for f, v in zip(FIELDS, first, strict=True)), *rest]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (_changed(ILSVRC2012_ID=1.0), "wrong devkit: n01440764 has the id 1, in ILSVRC2012 449"),
        (_changed(WNID="n00000001"), "n00000001 has the id 449, in ILSVRC2012 it is not a class"),
        (_changed(ILSVRC2012_ID="x"), "a synset has no number ILSVRC2012_ID"),
        (_changed(ILSVRC2012_ID=float("nan")), "meta.mat cannot be read"),
        (_changed(ILSVRC2012_ID=float("inf")), "meta.mat cannot be read"),
        (_changed(words=5.0), "a synset has no WNID or no words"),
        (_changed(num_children=2.0), "n01440764 does not have the children that it says"),
        (_changed(children="1 2"), "n01440764 does not have the children that it says"),
        (_official_rows()[-3:], "no classes, or one twice"),
        (_official_rows()[:1] * 2, "no classes, or one twice"),
    ],
)
def test_another_devkit_is_an_error(rows, match):
    with pytest.raises(SourceError, match=rf"^kit: .*{match}.*; pass ILSVRC2012_devkit_t12"):
        read_meta(_saved(rows), archive="kit")


@pytest.mark.parametrize("content", [b"", b"hello", bytes(500)])
def test_what_is_no_matlab_file_is_an_error(content):
    with pytest.raises(SourceError, match=r"meta\.mat cannot be read: it is not a MATLAB level-5"):
        read_meta(content, archive="kit")


def test_a_file_without_the_array_is_an_error():
    content = _saved(_official_rows()[:3]).replace(b"synsets", b"synonym")
    with pytest.raises(ValueError, match="no struct array 'synonyms'"):
        matlab.struct_array(content, "synonyms")


@given(at=st.integers(0), bits=st.integers(1, 255), cut=st.booleans())
@settings(max_examples=150, deadline=None)
def test_damage_never_ends_in_anything_but_a_source_error(at, bits, cut):
    content = bytearray(_saved(_official_rows()[:4], compressed=bool(at % 2)))
    content[at % len(content)] ^= bits
    try:
        read_meta(bytes(content[: at % len(content)] if cut else content), archive="kit")
    except SourceError:
        return


def test_ground_truth_is_by_the_ids_of_ilsvrc2012():
    wnids = read_ground_truth(b"490\n361\r\n171\n822\n", archive="kit", devkit=None)
    assert wnids == ("n01751748", "n09193705", "n02105855", "n04263257")


@pytest.mark.parametrize("line", [b"0", b"1001", b"n01440764", b"1.0", b"-1", b"007"])
def test_an_id_of_no_class_is_an_error(line):
    with pytest.raises(SourceError, match=r"line 2 of the ground truth, .* is not the id of one"):
        read_ground_truth(b"490\n" + line + b"\n", archive="kit", devkit=None)


def test_ids_are_those_of_the_devkits_own_classes():
    kit = read_meta(_saved(_official_rows()[:5]), archive="kit")
    with pytest.raises(SourceError, match="is not the id of one of its 5 classes"):
        read_ground_truth(b"490\n", archive="kit", devkit=kit)


def test_an_extracted_devkit_is_read_like_the_archive(tmp_path: Path):
    root = layouts.official(tmp_path / "official")
    kit = layouts.write_files(tmp_path / "kit", layouts.devkit_files())
    for path in (kit, kit / "ILSVRC2012_devkit_t12", root / layouts.DEVKIT):
        source = open_sources([root / "ILSVRC2012_img_val.tar", path])
        assert source.classes == layouts.CLASSES
        assert source.notes == ()
        source.close()


def test_an_archive_that_is_no_devkit_is_an_error(tmp_path: Path):
    root = layouts.official(tmp_path)
    layouts.write_tar(root / layouts.DEVKIT, {"devkit/readme.txt": b"hello"})
    with pytest.raises(SourceError, match=r"devkit_t12.tar.gz: neither images nor a devkit nor"):
        open_sources([root])
    (root / layouts.DEVKIT).write_bytes(gzip.compress(b"hello"))
    with pytest.raises(SourceError, match=r"devkit_t12.tar.gz: cut short at byte 0"):
        open_sources([root])
