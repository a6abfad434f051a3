"""Copies a dataset between any two places, folders or object stores; checked on arrival.

The files of SHA256SUMS come first, then SHA256SUMS, then dataset.json: where that is missing,
nobody takes what is there for a dataset. What is there already, with the right bytes, is not copied
again.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.dataset import beside, description, layout
from imnet_data.errors import StorageError
from imnet_data.machine.files import PART
from imnet_data.machine.progress import Step, no_progress
from imnet_data.machine.temporary import TemporaryFolder
from imnet_data.storage import address, apart, download
from imnet_data.storage.store import open_store
from imnet_data.storage.upload import upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress
    from imnet_data.storage.store import Store

_THREADS = 4  # files at a time


class Copied(NamedTuple):
    """What a copy has done."""

    files: int  # that were copied
    nbytes: int  # of them
    there: int  # files that were there already


def copy(source: StrPath, target: StrPath, *, progress: Progress = no_progress) -> Copied:
    """Copy the dataset at `source` to `target`; each is a folder or a URL.

    Args:
        source: where a dataset is.
        target: where nothing is, the same dataset, or what an earlier copy of it has left.
        progress: called now and then.

    Raises:
        StorageError: if an object cannot be had, or does not arrive as SHA256SUMS says, or if there
            is anything else at `target`.
        ManifestError: if `source` is no dataset.
    """
    origin, place = _opened(source), _opened(target)
    sums = _listed(origin)
    is_begun = _require_own(place, sums)
    last = (layout.SUMS, description.FILE_NAME)
    names = [name for name in sums if name not in last]
    total, done = len(names) + 2, Copied(0, 0, 0)
    stopped = threading.Event()
    with TemporaryFolder() as folder:
        work = _Work(origin, place, sums, folder.path, is_begun, stopped.is_set)
        with ThreadPoolExecutor(_THREADS, "copy") as threads:
            try:
                for number, nbytes in enumerate(threads.map(work.copy, names), 1):
                    done = _added(done, nbytes)
                    progress(Step("copy", number, total, done.nbytes))
            except KeyboardInterrupt:
                stopped.set()
                threads.shutdown(wait=False, cancel_futures=True)
                apart.stop()  # a store may not answer for minutes
                raise
        for name in last:
            done = _added(done, work.copy(name))
    if not address.is_url(target):
        beside.write(Path(target), description.read(Path(target)))
    return done


def _opened(place: StrPath) -> Store:
    return apart.StoreApart(str(place)) if address.is_url(place) else open_store(place)


def _added(done: Copied, nbytes: int | None) -> Copied:
    if nbytes is None:
        return done._replace(there=done.there + 1)
    return Copied(done.files + 1, done.nbytes + nbytes, done.there)


def _listed(store: Store) -> dict[str, str]:
    """Return name and sha256 of all files of a dataset, and of SHA256SUMS itself."""
    content = download.content(store, layout.SUMS)
    listed = {layout.SUMS: hashlib.sha256(content).hexdigest()}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        parsed = layout.parse_sum(line)
        if parsed is None:
            raise StorageError(
                f"{store.where(layout.SUMS)}: line {number} is not a sha256 and the name of a file"
            )
        listed[parsed[0]] = parsed[1]
    if description.FILE_NAME not in listed or store.nbytes(description.FILE_NAME) is None:
        raise StorageError(
            f"{store.where('')}: is not a whole dataset: there is no {description.FILE_NAME}"
        )
    return listed


def _require_own(place: Store, sums: dict[str, str]) -> bool:
    """Return whether all but dataset.json is there; refuse what no copy of this dataset has left.

    SHA256SUMS comes after all that it lists, so without it nothing tells whose the files are but
    their names and sizes.
    """
    if place.nbytes(layout.SUMS) is not None:
        digest = hashlib.sha256(download.content(place, layout.SUMS)).hexdigest()
        if digest != sums[layout.SUMS]:
            raise StorageError(
                f"{place.where(layout.SUMS)}: is of another dataset; choose another place, or "
                "remove that dataset"
            )
        return True
    for name in place.names():
        if name.removesuffix(PART) not in sums or name == description.FILE_NAME:
            raise _not_ours(place, name)
    return False


def _not_ours(place: Store, name: str) -> StorageError:
    return StorageError(
        f"{place.where(name)}: is there already, and no copy of this dataset has left it; choose "
        "another place"
    )


class _Work(NamedTuple):
    origin: Store
    place: Store
    sums: dict[str, str]
    folder: Path  # for what is on its way
    replaces: bool  # files of other sizes: they are damaged ones of this dataset
    is_stopped: Callable[[], bool]

    def copy(self, name: str) -> int | None:
        """Copy a file and check it there; return its size, or None if it was there already."""
        nbytes = download.size(self.origin, name)
        if self._is_there(name, nbytes):
            return None
        if not self.replaces and self.place.nbytes(name) not in (None, nbytes):
            raise _not_ours(self.place, name)
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder) as part:
                path = Path(part.name)
                sha256 = self.sums[name]
                download.download(
                    self.origin, name, nbytes, path, sha256=sha256, is_stopped=self.is_stopped
                )
                upload(self.place, name, path, sha256)
        except OSError as error:
            raise StorageError(
                f"{self.origin.where(name)}: cannot be written to {self.folder} "
                f"({error.strerror}); set TMPDIR to a folder on a disk with room"
            ) from error
        return nbytes

    def _is_there(self, name: str, nbytes: int) -> bool:
        return (
            self.place.nbytes(name) == nbytes
            and download.sha256(self.place, name, nbytes, self.is_stopped) == self.sums[name]
        )
