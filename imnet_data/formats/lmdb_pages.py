"""The file of an LMDB environment (data version 1, 64 bit, little-endian), written and walked.

It is written here rather than by liblmdb because that leaves bytes of its heap in page headers,
takes its page size from the machine, and needs the size of the map beforehand: its files
are neither a function of the records nor free of guesses. It is walked here because liblmdb trusts
what it maps: a flipped bit or a file cut short ends the process, not the read.

- Pages have 4096 bytes. Header: u64 page number, u16 0, u16 flags (1 branch, 2 leaf, 4 overflow,
  8 meta), then u16 lower and u16 upper bound of the free space, of an overflow u32 pages.
- Pages 0 and 1 are metas; the higher transaction id counts. Meta: u32 magic, u32 version, u64 0,
  u64 map size, two databases (free pages, main), u64 last page, u64 transaction id. Database: u32
  page size (of the first), u16 flags, u16 depth, u64 each of branch, leaf and overflow pages,
  entries and root.
- A leaf or branch has u16 positions of its nodes, in order of their keys, after the header, and the
  nodes from its end down, on even positions. Node: u16 low and u16 high half of the value's size,
  u16 flags, u16 size of the key, key, value; if flag 1 is set the value stands alone in overflow
  pages, whose first u64 page is here. That is so when key and value have more than 2030 bytes.
  In a branch the first three are the 48-bit number of a child, whose first key is the key; the
  first node has no key.

The tree is filled from left to right: a leaf, then the overflow pages of its nodes, then the next;
the branches come last, each with about as many children; the metas are written when all is there.

Source: LMDB 0.9, libraries/liblmdb/mdb.c; `mdb_env_copyfd1` for a file of one transaction.
"""

from __future__ import annotations

import struct
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from imnet_data.formats.extents import ShardFile

_PAGE_NBYTES = 4096
_HEADER = struct.Struct("<QHHHH")
_OVERFLOW_HEADER = struct.Struct("<QHHI")
_META = struct.Struct("<IIQQ IHHQQQQQ IHHQQQQQ QQ")
_NODE = struct.Struct("<HHHH")
_BRANCH, _LEAF, _OVERFLOW, _META_FLAG = 1, 2, 4, 8
_BIG = 1  # node flag: the value is in overflow pages
_MAGIC, _VERSION = 0xBEEFC0DE, 1
MAGIC = struct.pack("<I", _MAGIC)  # at byte 16 of a file
_NO_PAGE = 2**64 - 1
_INTEGER_KEYS = 8  # of the free pages' database
_MAX_NODE_NBYTES = (_PAGE_NBYTES - _HEADER.size) // 2 - 2
_MAX_KEY_NBYTES = 511
_MAX_DEPTH = 32


class Item(NamedTuple):
    """One key and its value, which is `before + image`, then `after`."""

    key: bytes
    before: bytes
    image: bytes
    after: bytes = b""


class Value(NamedTuple):
    """One key and where its value lies."""

    key: bytes
    offset: int
    nbytes: int


class _Meta(NamedTuple):
    page_nbytes: int
    depth: int
    entries: int
    root: int
    last_page: int


class _Page:
    """A leaf or branch that is being filled."""

    def __init__(self, number: int, flags: int) -> None:
        self.number = number
        self._flags = flags
        self._bytes = bytearray(_PAGE_NBYTES)
        self._lower = _HEADER.size
        self._upper = _PAGE_NBYTES

    def fits(self, node_nbytes: int) -> bool:
        return self._lower + 2 + node_nbytes + node_nbytes % 2 <= self._upper

    def add(self, node: bytes) -> int:
        """Add a node, which must fit; return its position in the page."""
        self._upper -= len(node) + len(node) % 2
        self._bytes[self._upper : self._upper + len(node)] = node
        struct.pack_into("<H", self._bytes, self._lower, self._upper)
        self._lower += 2
        return self._upper

    def write(self, file: BinaryIO) -> None:
        _HEADER.pack_into(self._bytes, 0, self.number, 0, self._flags, self._lower, self._upper)
        file.seek(self.number * _PAGE_NBYTES)
        file.write(self._bytes)


def write(path: Path, items: Iterable[Item]) -> NDArray[np.int64]:
    """Write an environment of one file; return the position of each image.

    Keys must ascend. Memory is one leaf and a few bytes an item, whatever the values' sizes.
    """
    with path.open("wb") as file:
        writer = _Writer(file)
        for item in items:
            writer.add(item)
        writer.finish()
    return np.array(writer.offsets, np.int64)


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self.offsets = array("q")
        self._file = file
        self._next_page = 2
        self._leaf: _Page | None = None
        self._leaves: list[tuple[bytes, int]] = []  # first key and page, every few MB of images
        self._overflow_pages = 0

    def add(self, item: Item) -> None:
        nbytes = len(item.before) + len(item.image) + len(item.after)
        if len(item.key) > _MAX_KEY_NBYTES or nbytes >= 2**32:
            raise FormatError(
                f"{item.key!r}: {len(item.key)} bytes of key or {nbytes} bytes of value are more "
                "than LMDB can hold; choose another format"
            )
        big = _NODE.size + len(item.key) + nbytes > _MAX_NODE_NBYTES
        node_nbytes = _NODE.size + len(item.key) + (8 if big else nbytes)
        if self._leaf is None or not self._leaf.fits(node_nbytes):
            self._start_leaf(item.key)
        assert self._leaf is not None
        head = _NODE.pack(nbytes & 0xFFFF, nbytes >> 16, _BIG if big else 0, len(item.key))
        if big:
            self._leaf.add(head + item.key + struct.pack("<Q", self._next_page))
            value = self._write_overflow(item, nbytes)
        else:
            position = self._leaf.add(head + item.key + item.before + item.image + item.after)
            value = self._leaf.number * _PAGE_NBYTES + position + len(head) + len(item.key)
        self.offsets.append(value + len(item.before))

    def _start_leaf(self, key: bytes) -> None:
        self._finish_leaf()
        self._leaf = _Page(self._take_pages(1), _LEAF)
        self._leaves.append((key, self._leaf.number))

    def _finish_leaf(self) -> None:
        if self._leaf is not None:
            self._leaf.write(self._file)

    def _take_pages(self, count: int) -> int:
        first = self._next_page
        self._next_page += count
        return first

    def _write_overflow(self, item: Item, nbytes: int) -> int:
        count = _overflow_pages(nbytes, _PAGE_NBYTES)
        page = self._take_pages(count)
        self._overflow_pages += count
        start = page * _PAGE_NBYTES
        if self._file.tell() != start:
            self._file.seek(start)
        self._file.write(_OVERFLOW_HEADER.pack(page, 0, _OVERFLOW, count) + item.before)
        self._file.write(item.image)
        padding = bytes(count * _PAGE_NBYTES - _HEADER.size - nbytes)
        self._file.write(item.after + padding)
        return start + _HEADER.size

    def finish(self) -> None:
        self._finish_leaf()
        level = self._leaves
        depth = 1 if level else 0
        leaf_count, branch_count = len(level), 0
        while len(level) > 1:
            level = self._write_branches(level)
            branch_count += len(level)
            depth += 1
        root = level[0][1] if level else _NO_PAGE
        last_page = self._next_page - 1
        counts = (branch_count, leaf_count, self._overflow_pages, len(self.offsets))
        free = (_PAGE_NBYTES, _INTEGER_KEYS, 0, 0, 0, 0, 0, _NO_PAGE)
        map_nbytes = self._next_page * _PAGE_NBYTES
        for page in (0, 1):
            header = _HEADER.pack(page, 0, _META_FLAG, 0, 0)
            start = (_MAGIC, _VERSION, 0, map_nbytes)
            meta = _META.pack(*start, *free, 0, 0, depth, *counts, root, last_page, page)
            self._file.seek(page * _PAGE_NBYTES)
            self._file.write((header + meta).ljust(_PAGE_NBYTES, b"\0"))

    def _write_branches(self, children: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """Write one level of branches of about as many children each; return keys and pages."""
        widest = max(_NODE.size + len(key) + len(key) % 2 for key, _ in children)
        capacity = (_PAGE_NBYTES - _HEADER.size) // (widest + 2)
        count = -(-len(children) // capacity)
        bounds = [index * len(children) // count for index in range(count + 1)]
        branches = []
        for start, stop in pairwise(bounds):
            branch = _Page(self._take_pages(1), _BRANCH)
            for index in range(start, stop):
                key, page = children[index]
                key = key if index > start else b""
                number = struct.pack("<Q", page)[:6]
                branch.add(number + struct.pack("<H", len(key)) + key)
            branch.write(self._file)
            branches.append((children[start][0], branch.number))
        return branches


def _overflow_pages(nbytes: int, page_nbytes: int) -> int:
    return (_HEADER.size - 1 + nbytes) // page_nbytes + 1


def walk(file: ShardFile) -> Iterator[Value]:
    """Yield keys and values in order of the keys, checking every page on the way.

    Raises:
        FormatError: if the file is no environment, cut short or damaged.
    """
    meta = _read_meta(file)
    count, before = 0, b""
    pages = [(meta.root, 1)] if meta.depth else []
    while pages:  # a page met twice is found by its kind, or by keys that do not ascend
        number, depth = pages.pop()
        page = _read_page(file, meta, number, _LEAF if depth == meta.depth else _BRANCH)
        if depth < meta.depth:
            children = [(_child(page, node), depth + 1) for node in _nodes(file, page, number)]
            pages.extend(reversed(children))
            continue
        for node in _nodes(file, page, number):
            value = _read_leaf_node(file, meta, page, number, node)
            if count and value.key <= before:
                raise file.fault(f"keys do not ascend in page {number}")
            yield value
            count, before = count + 1, value.key
    if count != meta.entries:
        raise file.fault(f"it should have {meta.entries} records, but has {count}")


def _read_meta(file: ShardFile) -> _Meta:
    # the second meta is one page on, and the first has the pages' size
    page_nbytes = _parse_meta(file, file.read(0, _HEADER.size + _META.size), 0)[4]
    if page_nbytes < 512 or page_nbytes > 65536 or page_nbytes & (page_nbytes - 1):
        raise file.fault(f"pages of {page_nbytes} bytes")
    metas = [
        _parse_meta(file, file.read(page * page_nbytes, _HEADER.size + _META.size), page)
        for page in (0, 1)
    ]
    newer = max(metas, key=lambda meta: meta[-1])
    _, depth, _, _, _, entries, root, last_page, _ = newer[13:]
    if (last_page + 1) * page_nbytes > file.nbytes:
        raise file.fault(
            f"has {file.nbytes} bytes of the {(last_page + 1) * page_nbytes} that it needs"
        )
    if depth > _MAX_DEPTH:
        raise file.fault(f"a tree of depth {depth}")
    return _Meta(page_nbytes, depth, entries, root, last_page)


def _parse_meta(file: ShardFile, page: bytes, number: int) -> tuple[int, ...]:
    _, _, flags, _, _ = _HEADER.unpack_from(page)
    meta: tuple[int, ...] = _META.unpack_from(page, _HEADER.size)
    if not flags & _META_FLAG or meta[:2] != (_MAGIC, _VERSION):
        raise file.fault(f"page {number} is not a meta page of LMDB")
    return meta


def _read_page(file: ShardFile, meta: _Meta, number: int, kind: int) -> bytes:
    if number > meta.last_page:
        raise file.fault(f"page {number} of {meta.last_page + 1}")
    page = file.read(number * meta.page_nbytes, meta.page_nbytes)
    own_number, _, flags, _, _ = _HEADER.unpack_from(page)
    if own_number != number or flags != kind:
        raise file.fault(f"page {number} says that it is page {own_number} of kind {flags}")
    return page


def _nodes(file: ShardFile, page: bytes, number: int) -> tuple[int, ...]:
    """Return the positions of a page's nodes, each with room for its head."""
    _, _, _, lower, upper = _HEADER.unpack_from(page)
    if not _HEADER.size < lower <= upper <= len(page) or lower % 2:
        raise file.fault(f"page {number} has free space from {lower} to {upper}")
    positions = struct.unpack_from(f"<{(lower - _HEADER.size) // 2}H", page, _HEADER.size)
    if min(positions) < upper or max(positions) > len(page) - _NODE.size:
        raise file.fault(f"page {number} has a node outside")
    return positions


def _child(page: bytes, node: int) -> int:
    return int.from_bytes(page[node : node + 6], "little")


def _read_leaf_node(file: ShardFile, meta: _Meta, page: bytes, number: int, node: int) -> Value:
    low, high, flags, key_nbytes = _NODE.unpack_from(page, node)
    nbytes = low | high << 16
    start = node + _NODE.size + key_nbytes
    if flags not in {0, _BIG} or start + (8 if flags else nbytes) > len(page):
        raise file.fault(f"page {number} has a damaged node")
    key = page[node + _NODE.size : start]
    if not flags:
        return Value(key, number * meta.page_nbytes + start, nbytes)
    (first,) = struct.unpack_from("<Q", page, start)
    count = _overflow_pages(nbytes, meta.page_nbytes)
    if first + count - 1 > meta.last_page:
        raise file.fault(f"the value of {key!r} reaches beyond the last page")
    head = file.read(first * meta.page_nbytes, _HEADER.size)
    own_number, _, kind, own_count = _OVERFLOW_HEADER.unpack(head)
    if own_number != first or kind != _OVERFLOW or own_count < count:
        raise file.fault(f"the value of {key!r} is not in page {first}")
    return Value(key, first * meta.page_nbytes + _HEADER.size, nbytes)
