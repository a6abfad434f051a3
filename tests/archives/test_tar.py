import functools
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imnet_data.archives.tar import Member, members
from imnet_data.errors import SourceError

FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
BLOCK = 512


def _archive(files: dict[str, bytes], *, form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _one(info: tarfile.TarInfo, *, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        archive.addfile(info)
    return buffer.getvalue()


def _members(content: bytes, *, start: int = 0, end: int | None = None) -> list[Member]:
    def pread(nbytes: int, offset: int) -> bytes:
        return content[offset : offset + nbytes]

    end = len(content) if end is None else end
    return list(members(pread, start=start, end=end, archive="a.tar"))


def _read(content: bytes) -> dict[str, bytes]:
    return {name: content[at : at + nbytes] for name, at, nbytes in _members(content)}


_names = st.lists(st.text("abcXYZ019_-", min_size=1, max_size=60), min_size=1, max_size=5).map(
    "/".join
)
_files = st.dictionaries(
    _names, st.integers(0, 2000) | st.sampled_from([511, 512, 513, 20_000, 70_000]), max_size=8
)


@pytest.mark.parametrize("form", FORMS)
@given(sizes=_files)
@settings(max_examples=60, deadline=None)
def test_members_are_those_that_pythons_tarfile_wrote(form, sizes):
    files = {name: bytes([number]) * size for number, (name, size) in enumerate(sizes.items(), 65)}
    try:
        content = _archive(files, form=FORMS[form])
    except ValueError:  # a name too long for USTAR
        return
    assert _read(content) == files


@given(sizes=_files, start=st.integers(0, 3).map(BLOCK.__mul__))
@settings(max_examples=30, deadline=None)
def test_an_archive_inside_another_is_read_in_place(sizes, start):
    files = {name: bytes(size) for name, size in sizes.items()}
    inner = _archive(files)
    outer = b"x" * start + inner + b"after"
    expected = [(name, start + at, nbytes) for name, at, nbytes in _members(inner)]
    assert _members(outer, start=start, end=start + len(inner)) == expected


@given(content=st.binary(max_size=3000), at=st.integers(0, 6000), bits=st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_damage_never_ends_in_anything_but_a_source_error(content, at, bits):
    archive = bytearray(_archive({"a" * 120: content, "b": content}, form=tarfile.GNU_FORMAT))
    archive[at % len(archive)] ^= bits
    try:
        found = _members(bytes(archive))
    except SourceError:
        return
    # only data, padding, or fields outside of the checksum's reach were hit
    assert [member.nbytes for member in found] == [len(content)] * 2


@pytest.mark.parametrize("form", FORMS)
def test_an_archive_cut_anywhere_is_an_error(form):
    content = _archive({f"n01440764_{n}.JPEG": bytes(700) for n in range(3)}, form=FORMS[form])
    whole = _members(content)
    last = whole[-1]
    marker = (last.offset + last.nbytes + BLOCK - 1) // BLOCK * BLOCK
    for nbytes in [*range(0, marker, 37), *range(BLOCK, marker + 1, BLOCK), marker + BLOCK - 1]:
        with pytest.raises(SourceError, match=r"a\.tar: cut short.*imnet-data verify FILE"):
            _members(content[:nbytes])
    assert _members(content[: marker + BLOCK]) == whole


def test_a_file_of_zeros_to_the_end_is_an_unfinished_download():
    content = _archive({"a": b"x"})
    assert len(_members(content + bytes(1 << 20))) == 1
    with pytest.raises(SourceError, match="only zeros from byte 1024 on"):
        _members(content + bytes(2 << 20))


def test_data_after_the_end_is_an_error():
    content = _archive({"a": b"x"})
    with pytest.raises(SourceError, match="marked at byte 1024, but data follows"):
        _members(content + content)


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../../b", "a/..", "..", ""])
@pytest.mark.parametrize("form", FORMS)
def test_a_member_outside_of_the_archive_is_an_error(name, form):
    content = _one(tarfile.TarInfo(name), form=FORMS[form])
    with pytest.raises(SourceError, match=r"a\.tar: member '.*' points outside"):
        _members(content)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Q", "of unknown type 'Q'"),
    ],
)
def test_what_is_no_regular_file_is_an_error(kind, what):
    info = tarfile.TarInfo("member")
    info.type, info.linkname = kind, "n" * 120
    with pytest.raises(SourceError, match=f"a.tar: member 'member' is {what}"):
        _members(_one(info))


def test_folders_are_passed_over_and_dot_slash_is_dropped():
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    content = _one(folder)[:BLOCK] + _archive({"./test/a": b"1", "././b": b"2", "c/././d": b"3"})
    assert _read(content) == {"test/a": b"1", "b": b"2", "c/d": b"3"}


def test_base_256_and_pax_sizes_are_read():
    huge = 9 << 30  # does not fit into eleven octal digits
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("huge")
        info.size = huge
        header = info.tobuf(form)

        def pread(nbytes: int, offset: int, header: bytes = header) -> bytes:
            return (header + bytes(nbytes))[offset : offset + nbytes] if offset < 4096 else b""

        found = members(pread, end=huge + len(header), archive="a.tar")
        assert next(found) == ("huge", len(header), huge)


@pytest.mark.parametrize(
    "record", [b"99 path=a\n", b"x", b"12 size=abc\n", b"0 a=b\n", b"8 noequ\n"]
)
def test_a_damaged_pax_header_is_an_error(record):
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", len(record)
    content = info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(BLOCK, b"\0") + _archive({"a": b"1"})
    with pytest.raises(SourceError, match="damaged PAX header at byte 512"):
        _members(content)


def test_garbage_is_no_header():
    with pytest.raises(SourceError, match=r"a\.tar: no tar header at byte 0; check it with"):
        _members(b"not a tar archive".ljust(10_240))


def test_a_file_is_read_with_pread(tmp_path: Path):
    path = tmp_path / "a.tar"
    path.write_bytes(_archive({"a": b"first", "b": b"second"}))
    with path.open("rb") as file:
        pread = functools.partial(os.pread, file.fileno())
        found = list(members(pread, end=path.stat().st_size, archive="a.tar"))
    assert found == [("a", 512, 5), ("b", 1536, 6)]
