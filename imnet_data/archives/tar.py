"""Tar archives read in place: where each member's data lies, without reading the data.

Read: the v7 and USTAR headers, GNU long names (`L`) and base-256 sizes, PAX records `path` and
`size` (`x`; global ones, `g`, are ignored). Directories are passed over. Refused: links, devices,
sparse members, and names that are absolute or climb out with `..`.

An archive must end with a block of zeros and nothing but zeros after it, as every tar program
writes it. GNU tar lets the end be missing; here that is an error, since a download that stopped
between two members looks just like it. So is a long run of zeros: a file that was allocated in
full and downloaded in part.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar 1.34
manual, "Basic Tar Format".
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.errors import SourceError, verify_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # (nbytes, offset) -> bytes, fewer than asked for only at the end; `partial(os.pread, fd)`
    Pread = Callable[[int, int], bytes]

REMEDY = f"check it with {verify_command('FILE')}, or download it again"

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_WINDOW = 1 << 16  # bytes read at once where members are small
_SMALL = 1 << 14  # bytes; reading past larger members costs more than another call
_MAX_TAIL = 1 << 20  # bytes of zeros after the last member; GNU tar pads to 10 KiB
_MAX_EXTENDED = 1 << 20  # bytes of a long name or a PAX header
_MAX_LENGTH_DIGITS = 7  # of a record of a PAX header
_MAX_NAME = 4096  # PATH_MAX of Linux
_DOT_SLASHES = re.compile(r"(^|/)(?:\./)+")
MAX_SUM = 65521  # adler32 adds up bytes modulo this prime

_REGULAR = b"0\x007"  # 7: contiguous, the same to all but one old system
_DIRECTORY = ord("5")
_PASSED_OVER = b"gKV"  # global PAX, long link name (its link is refused), volume label
_REFUSED = {
    **dict.fromkeys(b"12", "a link"),
    **dict.fromkeys(b"346", "a device"),
    ord("S"): "a sparse file",
    ord("M"): "the rest of a file in another volume",
}


class Member(NamedTuple):
    """One regular file of an archive."""

    name: str
    offset: int  # of its data, from the start of the outermost file
    nbytes: int


class _Extended(NamedTuple):
    """What headers before a member's own say of it."""

    name: bytes | None = None
    nbytes: int | None = None


def members(pread: Pread, *, end: int, start: int = 0, archive: str) -> Iterator[Member]:
    """Yield the regular files of the archive at bytes `start` to `end`, in stored order.

    Args:
        pread: reads the outermost file.
        end: where the archive ends at the latest.
        start: where it begins: not 0 for an archive inside another.
        archive: its name, for errors.

    Raises:
        SourceError: if the archive is damaged, cut short or has an unsafe member.
    """
    window, window_start, window_nbytes = b"", start, _WINDOW
    position, extended = start, _Extended()
    while True:
        at = position - window_start
        header = window[at : at + _BLOCK]
        if len(header) < _BLOCK:
            window = pread(min(window_nbytes, end - position), position)
            window_start, header = position, window[:_BLOCK]
        if len(header) < _BLOCK:
            raise SourceError(f"{archive}: cut short at byte {position}, in a header; {REMEDY}")
        if header == _ZEROS:
            _check_tail(pread, position=position, end=end, archive=archive)
            return
        _check_sum(header, position=position, archive=archive)
        kind, data = header[156], position + _BLOCK
        nbytes = _number(header[124:136], position=position, archive=archive)
        if extended.nbytes is not None and kind in _REGULAR:
            nbytes = extended.nbytes
        if data + nbytes > end:
            raise SourceError(
                f"{archive}: cut short: the member at byte {position} goes to byte "
                f"{data + nbytes}, the archive ends at {end}; {REMEDY}"
            )
        if kind in b"Lx":
            extended = _read_extended(
                pread, kind=kind, data=data, nbytes=nbytes, before=extended, archive=archive
            )
        elif kind not in _PASSED_OVER:
            name = _name(header, extended, position=position, archive=archive)
            extended = _Extended()
            if kind in _REGULAR and not name.endswith("/"):
                yield Member(name, data, nbytes)
            elif kind in _REGULAR or kind == _DIRECTORY:
                nbytes = nbytes if kind in _REGULAR else 0
            else:
                what = _REFUSED.get(kind, f"of unknown type {chr(kind)!r}")
                raise SourceError(f"{archive}: member {name!r} is {what}; {_UNOFFICIAL}")
        position = data + (nbytes + _BLOCK - 1) // _BLOCK * _BLOCK
        window_nbytes = _WINDOW if nbytes < _SMALL else _BLOCK


_UNOFFICIAL = (
    "official archives contain only regular files, so this is another file; "
    "download the official one"
)


def check_name(name: str, *, archive: str) -> str:
    """Return the name without a leading `./`, if it stays inside the archive.

    Raises:
        SourceError: if it is empty, absolute, too long, or has a `..` or a NUL.
    """
    if len(name) > _MAX_NAME or "\0" in name:
        what = "a NUL" if "\0" in name else f"{len(name)} characters"
        raise SourceError(
            f"{archive}: the name of member {name[:60]!r} has {what}, so it cannot be a file name; "
            f"{_UNOFFICIAL}"
        )
    if name.startswith("./") or "/./" in name:
        name = _DOT_SLASHES.sub(r"\1", name)
    if not name or name[0] == "/" or (".." in name and ".." in name.split("/")):
        raise SourceError(
            f"{archive}: member {name!r} points outside of the archive; {_UNOFFICIAL}"
        )
    return name


def _name(header: bytes, extended: _Extended, *, position: int, archive: str) -> str:
    name = extended.name
    if name is None:
        name = header[:100].split(b"\0", 1)[0]
        if header[345] and header[257:263] == b"ustar\0":
            name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{archive}: the name at byte {position} is not UTF-8: {name!r}") from (
            error
        )
    if text in (".", "./"):
        return "/"  # the folder that was packed, not a file
    return check_name(text, archive=archive)


def header_sum(header: bytes) -> int:
    """Return the checksum that belongs into a header, modulo MAX_SUM.

    A sum that is wrong by just 65,521 does not come from damage to a header: it is near 6,000.
    """
    # adler32's low half is 1 + the sum of the bytes: ten times as fast as sum()
    others = (zlib.adler32(header) & 0xFFFF) - (zlib.adler32(header[148:156]) & 0xFFFF)
    return (others + 8 * ord(" ")) % MAX_SUM


def _check_sum(header: bytes, *, position: int, archive: str) -> None:
    stored = _number(header[148:156], position=position, archive=archive)
    if header_sum(header) != stored % MAX_SUM:
        raise _garbage(position, archive)


def _number(field: bytes, *, position: int, archive: str) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip(b" ")
    try:
        if digits.isdigit() or not digits:
            return int(digits or b"0", 8)
    except ValueError as error:
        raise _garbage(position, archive) from error
    raise _garbage(position, archive)


def _garbage(position: int, archive: str) -> SourceError:
    return SourceError(f"{archive}: no tar header at byte {position}; {REMEDY}")


def _read_extended(
    pread: Pread, *, kind: int, data: int, nbytes: int, before: _Extended, archive: str
) -> _Extended:
    if nbytes > _MAX_EXTENDED:
        raise SourceError(f"{archive}: a name of {nbytes} bytes at byte {data}; {REMEDY}")
    content = pread(nbytes, data)
    if len(content) < nbytes:
        raise SourceError(f"{archive}: cut short at byte {data}, in a name; {REMEDY}")
    if kind == ord("L"):
        return before._replace(name=content.split(b"\0", 1)[0])
    try:
        records = dict(_pax_records(content))
        size = int(records[b"size"]) if b"size" in records else None
    except ValueError as error:
        raise SourceError(f"{archive}: damaged PAX header at byte {data}; {REMEDY}") from error
    if (size is not None and size < 0) or any(key.startswith(b"GNU.sparse") for key in records):
        raise SourceError(f"{archive}: the PAX header at byte {data} is not understood; {REMEDY}")
    return _Extended(records.get(b"path", before.name), size)


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each record `LENGTH KEY=VALUE LF`; ValueError if one is not that."""
    start = 0
    while start < len(content):
        space = content.find(b" ", start, start + _MAX_LENGTH_DIGITS + 1)
        if space < 0:
            raise ValueError(start)
        end = start + int(content[start:space])
        equals = content.find(b"=", space, end)
        if equals < 0 or end > len(content) or content[end - 1] != ord("\n"):
            raise ValueError(start)
        yield content[space + 1 : equals], content[equals + 1 : end - 1]
        start = end


def _check_tail(pread: Pread, *, position: int, end: int, archive: str) -> None:
    for at in range(position, end, _WINDOW):
        tail = pread(min(_WINDOW, end - at), at)
        if tail.strip(b"\0"):
            raise SourceError(
                f"{archive}: the end of the archive is marked at byte {position}, "
                f"but data follows; {REMEDY}"
            )
        if at - position > _MAX_TAIL:
            raise SourceError(
                f"{archive}: only zeros from byte {position} on, as in an unfinished download; "
                "download the rest"
            )
        if not tail:
            return
