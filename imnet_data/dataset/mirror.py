"""Small files of a dataset in a store, in a temporary folder as long as they are looked at.

They are brought by a process of its own, so that this one can still be forked.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.dataset.layout import SUMS, parse_sum
from imnet_data.errors import ImnetError, StorageError
from imnet_data.storage import address
from imnet_data.storage.download import download
from imnet_data.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_AT_ONCE = 1_000  # names: they are arguments of a process
_BRING = """
import sys
from pathlib import Path
from imnet_data.dataset.mirror import bring
url, root, keeps_other, *names = sys.argv[1:]
bring(url, Path(root), names, keeps_other=bool(keeps_other))
"""
_READ = """
import sys
from pathlib import Path
from imnet_data.storage.store import open_store
url, path, name, start, nbytes = sys.argv[1:]
Path(path).write_bytes(open_store(url).read(name, int(start), int(nbytes)))
"""
_LIST = """
import json, sys
from imnet_data.storage.store import open_store
print(json.dumps(sorted(open_store(sys.argv[1]).names(""))))
"""


class Mirror(NamedTuple):
    """A dataset at a URL, and the folder that some of its files have come to."""

    url: str
    root: Path

    @property
    def name(self) -> str:
        """The URL, without what may be secret."""
        return address.shown(self.url)

    def bring(self, names: Sequence[str], *, keeps_other: bool = False) -> None:
        """Bring files, those that there are; bytes that SHA256SUMS has not are asked for again.

        Args:
            names: of the files; SHA256SUMS is believed as it comes.
            keeps_other: whether bytes that are other ones each time are taken.

        Raises:
            StorageError: if they cannot be had, or are other ones each time.
        """
        from imnet_data.storage.cloud import isolated

        flag = "1" if keeps_other else ""
        for start in range(0, len(names), _AT_ONCE):
            isolated(_BRING, self.url, str(self.root), flag, *names[start : start + _AT_ONCE])

    def read(self, name: str, start: int, nbytes: int) -> bytes:
        """Return a range of a file, of which nothing comes here.

        Raises:
            StorageError: if it cannot be had.
        """
        from imnet_data.storage.cloud import isolated

        path = self.root / ".range"
        isolated(_READ, self.url, str(path), name, str(start), str(nbytes))
        return path.read_bytes()

    def listed(self) -> list[str]:
        """Return the names of all objects that the store lists.

        Raises:
            StorageError: if it cannot list them.
        """
        from imnet_data.storage.cloud import isolated

        found: list[str] = json.loads(isolated(_LIST, self.url))
        return found

    def named(self, text: str) -> str:
        """Return a message about what is in the folder as one about what is at the URL."""
        return text.replace(str(self.root), self.name)


@contextmanager
def mirror(url: str) -> Iterator[Mirror]:
    """Yield a folder for files of the dataset at `url`; errors name the URL instead of it."""
    with tempfile.TemporaryDirectory(prefix="imnet-data-") as folder:
        made = Mirror(url, Path(folder))
        try:
            yield made
        except ImnetError as error:
            raise type(error)(made.named(str(error))) from None


def bring(url: str, root: Path, names: Sequence[str], *, keeps_other: bool) -> None:
    """Bring files of a dataset to `root`, in this process; see `Mirror.bring`."""
    store = open_store(url)
    for name in names:
        if store.nbytes(name) is None:
            continue
        path, sha256 = root / name, _sums(root / SUMS).get(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(store, name, path, sha256=sha256, keeps_other=keeps_other)
        except OSError as error:
            raise StorageError(
                f"{store.where(name)}: cannot be written to {root} ({error.strerror}); set TMPDIR "
                "to a folder on a disk with room"
            ) from error


def _sums(path: Path) -> dict[str, str]:
    """Return the lines of SHA256SUMS that can be read, if it has come already."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return dict(filter(None, map(parse_sum, text.split("\n"))))
