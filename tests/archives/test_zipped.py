import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imnet_data.archives.zipped import Zip
from imnet_data.errors import SourceError


def _write(path: Path, files: dict[str, bytes], *, method: int, wide: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=wide) as member:
                member.write(content)
    return path


def _read(path: Path) -> dict[str, bytes]:
    container = Zip(path)
    try:
        return {e.path: container.read(e.place, e.nbytes) for e in container.entries()}
    finally:
        container.close()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@given(
    files=st.dictionaries(
        st.text("abc/_", min_size=1).filter(lambda name: name[0] != "/" and name[-1] != "/"),
        st.binary(max_size=3000),
        max_size=5,
    )
)
@settings(max_examples=25, deadline=None)
def test_members_are_those_that_pythons_zipfile_wrote(tmp_path_factory, method, wide, files):
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    assert _read(_write(path, files, method=method, wide=wide)) == files


def test_64_bit_ends_and_offsets_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)  # so that everything after is written wide
    files = {"a": bytes(200), "b": b"second", "c": b"third"}
    path = _write(tmp_path / "a.zip", files, method=zipfile.ZIP_STORED, wide=True)
    assert b"PK\6\6" in path.read_bytes()
    assert _read(path) == files


def test_a_comment_and_folders_are_passed_over(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/a", b"x")
        archive.comment = b"comment " * 1000
    assert _read(path) == {"folder/a": b"x"}


def test_a_flipped_bit_in_a_member_is_an_error(tmp_path):
    path = _write(tmp_path / "a.zip", {"a": b"x" * 100}, method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"xxx")] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.zip: a does not match its CRC-32"):
        _read(path)


@given(at=st.integers(0), bits=st.integers(1, 255), cut=st.booleans())
@settings(max_examples=150, deadline=None)
def test_damage_never_ends_in_anything_but_a_source_error(tmp_path_factory, at, bits, cut):
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    _write(path, {"a": b"x" * 300, "b": b"y"}, method=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= bits
    path.write_bytes(content[: at % len(content)] if cut else content)
    try:
        found = _read(path)
    except SourceError:
        return
    assert set(found.values()) <= {b"x" * 300, b"y"}


def test_a_truncated_archive_is_an_error(tmp_path):
    path = _write(tmp_path / "a.zip", {"a": b"x" * 100}, method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"a\.zip: cut short: the directory is missing"):
        _read(path)


def test_a_member_that_points_outside_is_an_error(tmp_path):
    path = _write(tmp_path / "a.zip", {"../a": b"x"}, method=zipfile.ZIP_STORED)
    with pytest.raises(SourceError, match=r"a\.zip: member '\.\./a' points outside"):
        _read(path)


def test_other_packing_is_an_error_that_says_what_to_do(tmp_path):
    path = _write(tmp_path / "a.zip", {"a": b"x"}, method=zipfile.ZIP_BZIP2)
    with pytest.raises(SourceError, match=r"a is packed with method 12, .* unpack the archive"):
        _read(path)


def test_an_archive_of_nothing_has_no_members(tmp_path):
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    path = tmp_path / "a.zip"
    path.write_bytes(buffer.getvalue())
    assert _read(path) == {}
