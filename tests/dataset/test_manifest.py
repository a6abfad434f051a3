"""Manifest and index."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from imnet_data.dataset import index, index_file, manifest
from imnet_data.dataset.manifest import Entry
from imnet_data.errors import ManifestError
from imnet_data.record import Box


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


def test_a_manifest_reads_back_and_its_bytes_are_the_same_twice(tmp_path: Path) -> None:
    manifest.write(tmp_path / "a", lines())
    manifest.write(tmp_path / "b", lines())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert list(manifest.read(tmp_path / "a")) == entries()
    assert list(manifest.read(tmp_path / "a", start=3)) == entries()[3:]


def test_the_digest_covers_what_records_are_and_not_where_they_lie() -> None:
    def digest(*changed: Entry) -> str:
        rows = [*entries()[:-1], *changed]
        return manifest.digest(manifest.identity(entry).encode() for entry in rows)

    last = entries()[-1]
    moved = last._replace(shard=9, offset=7, fix="x", published_nbytes=5, verdict="damaged")
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


@pytest.mark.parametrize("version", [1, 2])
def test_a_manifest_that_is_cut_or_changed_anywhere_is_refused(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "manifest"
    if version == 1:
        manifest.write_version_1(path, entries(40))
    else:
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


@pytest.mark.parametrize("version", [1, 2])
def test_an_index_has_the_columns_of_its_manifest(tmp_path: Path, version: int) -> None:
    builder = index.Builder({"n01440764": 0, "n01443537": 1})
    rows = list(builder.watch(entries()))
    path = tmp_path / "index.npy"
    path.write_bytes(index_file.to_bytes(builder.index("d" * 64), version=version))
    opened = index_file.open_index(path)
    assert opened.digest == "d" * 64
    assert opened.key.tolist() == [entry.key.encode() for entry in rows]
    assert opened.label.tolist() == [1, 0, 1, 0, 1]
    assert opened.offset.tolist() == [entry.offset for entry in rows]
    assert opened.fix.tolist() == [0, 0, 0, 1, 0]
    assert [opened.boxes_of(number) for number in range(5)] == [entry.boxes for entry in rows]
    with pytest.raises(ManifestError, match="n01440764_0: its wnid n01443537 is not in the class"):
        list(index.Builder({"n01440764": 0}).watch(rows))


@pytest.mark.parametrize("version", [1, 2])
def test_an_index_that_is_cut_or_foreign_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "index.npy"
    with pytest.raises(ManifestError, match="is missing"):
        index_file.open_index(path)
    whole = index_file.to_bytes(index.Builder({}).index(), version=version)
    foreign = tmp_path / "foreign.npy"
    np.save(foreign, np.arange(10))
    for content in (b"", whole[:-1], whole + b"\0", whole[:40], foreign.read_bytes(), b"x" * 300):
        path.write_bytes(content)
        with pytest.raises(ManifestError, match="damaged"):
            index_file.open_index(path)
