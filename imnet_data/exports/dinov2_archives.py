"""The tables of DINOv2's `ImageNet22k`, which maps archives `ROOT/<wnid>.tar` into memory.

    entries.npy      class_index <u4, class_id <U9, start_offset <u4, end_offset <u4, filename <U..
    class-ids.npy    <U9: the wnid of each class index

Offsets are those of a member's header and of the end of its blocks, so that the image is what
follows 512 bytes after the start, and zeros after that. Rows are in the order of the sorted wnids,
and in each archive's own.

The reader unpacks gzip data in the 26 rows of fall11 that have it, known by their numbers, and
stops at any other; and `n06470073_47249.JPEG` is no image. Such rows are left out, and counted.

Source: facebookresearch/dinov2, dinov2/data/datasets/image_net_22k.py; the same file of
facebookresearch/dinov3.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data.archives import tar
from imnet_data.archives.containers import pread_all
from imnet_data.errors import ConvertError
from imnet_data.imagenet.labels import is_wnid
from imnet_data.machine import files
from imnet_data.machine.progress import Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.machine.progress import Progress

FILE_NAMES = ("entries.npy", "class-ids.npy")
GZIPPED_ROWS = frozenset(
    (
        841_545, 1_304_131, 2_437_921, 2_672_079, 2_795_676, 2_969_786, 6_902_965, 6_903_550,
        6_903_628, 7_432_557, 7_432_589, 7_813_809, 8_329_633, 10_296_990, 10_417_652, 10_492_265,
        10_598_078, 10_782_398, 10_902_612, 11_203_736, 11_342_890, 11_397_596, 11_589_762,
        11_705_103, 12_936_875, 13_289_782,
    )
)  # fmt: skip
_NO_IMAGE = "n06470073_47249.JPEG"
_GZIP = b"\x1f\x8b"
_BLOCK = 512
_MOST_OFFSET = (1 << 32) - 1


class _Archive(NamedTuple):
    """What is listed of one archive, a row per member; names are not yet those of the table."""

    wnid: str
    start: NDArray[np.uint32]
    end: NDArray[np.uint32]
    name: NDArray[np.bytes_]


def write(root: Path, out: Path, *, progress: Progress) -> list[str]:
    """Write the tables of the archives in the folder `root`; return notes.

    Raises:
        ConvertError: if there are none, or one is larger than the table can say.
        SourceError: if one is damaged.
    """
    found = sorted(root.glob("n*.tar")) if root.is_dir() else []
    paths = [path for path in found if is_wnid(path.stem)]
    if not paths:
        raise ConvertError(
            f"{root}: is neither a dataset of format folder nor a folder of archives <wnid>.tar; "
            "of fall11_whole.tar, unpack the outer archive: tar --extract --file fall11_whole.tar"
        )
    left_out: dict[str, int] = {}
    archives: list[_Archive] = []
    count = 0
    for number, path in enumerate(paths, 1):
        archives.append(_listed(path, count, left_out))
        count += len(archives[-1].start)
        progress(Step("list archives", number, len(paths)))
    out.mkdir(parents=True, exist_ok=True)
    with files.appearing(out / "entries.npy") as part:
        _write_entries(part, archives, count)
    with files.appearing(out / "class-ids.npy") as part, part.open("wb") as file:
        np.save(file, np.array([path.stem for path in paths]))
    return [f"left out: {number:,} {why}" for why, number in sorted(left_out.items())]


def _write_entries(path: Path, archives: list[_Archive], count: int) -> None:
    """Write the table archive by archive: all of fall11's has 2 GB."""
    width = max(archive.name.itemsize for archive in archives)
    types = [("class_index", "<u4"), ("class_id", "<U9")]
    types += [("start_offset", "<u4"), ("end_offset", "<u4"), ("filename", f"<U{width}")]
    dtype = np.dtype(types)
    header = {"descr": dtype.descr, "fortran_order": False, "shape": (count,)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for number, archive in enumerate(archives):
            rows = np.empty(len(archive.start), dtype)
            rows["class_index"], rows["class_id"] = number, archive.wnid
            rows["start_offset"], rows["end_offset"] = archive.start, archive.end
            rows["filename"] = archive.name.astype(str)
            file.write(rows.tobytes())


def _listed(path: Path, count: int, left_out: dict[str, int]) -> _Archive:
    """List the members of an archive that the reader takes, as rows from number `count` on."""
    with path.open("rb", buffering=0) as file:
        pread = partial(pread_all, file.fileno())
        end = path.stat().st_size
        if end > _MOST_OFFSET:
            raise ConvertError(
                f"{path}: has {end:,} bytes, and DINOv2's table has offsets of 32 bits; "
                "leave this archive out"
            )
        members = tar.members(pread, end=end, archive=str(path))
        rows = list(_taken(members, pread, count, left_out))
    starts = [member.offset - _BLOCK for member in rows]
    ends = [member.offset + -(-member.nbytes // _BLOCK) * _BLOCK for member in rows]
    return _Archive(
        path.stem,
        np.array(starts, "<u4"),
        np.array(ends, "<u4"),
        np.array([member.name.encode("ascii", "replace") for member in rows] or [b""], "S")[
            : len(rows)
        ],
    )


def _taken(
    members: Iterator[tar.Member], pread: tar.Pread, number: int, left_out: dict[str, int]
) -> Iterator[tar.Member]:
    """Yield the members that the reader takes, the first as row `number`; count the others."""
    for member in members:
        is_gzip = pread(len(_GZIP), member.offset) == _GZIP
        if member.name == _NO_IMAGE:
            why = "image that cannot be decoded"
        elif is_gzip and number not in GZIPPED_ROWS:
            why = "gzipped images at rows where DINOv2's reader stops"
        else:
            number += 1
            yield member
            continue
        left_out[why] = left_out.get(why, 0) + 1
