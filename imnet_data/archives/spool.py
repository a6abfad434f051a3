"""Gzipped archives of images, unpacked once to a file that can be read in any order."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

from imnet_data.archives import gzipped
from imnet_data.errors import SourceError
from imnet_data.machine.files import appearing
from imnet_data.machine.progress import Step
from imnet_data.storage.ahead import ahead_of
from imnet_data.storage.place import open_place, stamp_ns
from imnet_data.storage.stream import stream

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.machine.progress import Progress
    from imnet_data.storage.place import Place

_CHUNK = 1 << 20  # bytes


def unpacked(path: Place, folder: Path | None, *, progress: Progress) -> tuple[Path, str]:
    """Unpack the .tar.gz at `path` into `folder`; return the .tar and a note that says so.

    A file from an earlier run is taken if it has the modification time of `path`, which is set
    when it is whole.

    Raises:
        SourceError: if no folder is given, there is no room in it, or the gzip data is damaged.
    """
    if folder is None:
        raise SourceError(
            f"{path.name} is compressed, so it cannot be read in place: unpack it first "
            f"(gunzip -k {path.name}), or pass a folder with room to unpack it to"
        )
    stem = path.name.removesuffix(".gz").removesuffix(".tgz").removesuffix(".tar")
    target = folder / f"{stem}.tar"
    stamp = stamp_ns(path)
    if not (target.exists() and target.stat().st_mtime_ns == stamp):
        folder.mkdir(parents=True, exist_ok=True)
        _require_room(path, folder)
        with appearing(target) as part:
            _unpack(path, part, progress)
            os.utime(part, ns=(stamp, stamp))
    return target, (
        f"{path.name} is compressed and cannot be read in place: "
        f"unpacked to {target}, {target.stat().st_size} bytes"
    )


def _require_room(path: Place, folder: Path) -> None:
    needed, free = gzipped.cost(path).nbytes, shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"{path.name}: unpacked to {folder} it takes about {needed:,} bytes, and {free:,} are "
            "free; make room, or add --order sorted, which reads it in place, in two passes"
        )


def _unpack(path: Place, part: Path, progress: Progress) -> None:
    opened = open_place(path)
    try:
        with (
            closing(opened),
            stream(ahead_of(opened)) as packed,
            gzip.open(packed) as content,
            part.open("wb") as file,
        ):
            while chunk := content.read(_CHUNK):
                file.write(chunk)
                progress(Step(f"unpack {path.name}", packed.tell(), opened.nbytes))
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(
            f"{path.name}: cannot be unpacked to {part.parent} ({error}); "
            "make room there, or download it again"
        ) from error
