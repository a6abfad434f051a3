"""Small files of a dataset in a store, in a temporary folder as long as they are looked at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.dataset.layout import SUMS, parse_sum
from imnet_data.errors import ImnetError, StorageError
from imnet_data.machine.temporary import TemporaryFolder
from imnet_data.storage import address
from imnet_data.storage.apart import StoreApart
from imnet_data.storage.download import download

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Mirror(NamedTuple):
    """A dataset at a URL, and the folder that some of its files have come to."""

    url: str
    root: Path

    @property
    def name(self) -> str:
        """The URL, without what may be secret."""
        return address.shown(self.url)

    @property
    def store(self) -> StoreApart:
        """The store, which another process reads."""
        return StoreApart(self.url)

    def bring(self, names: Iterable[str], *, keeps_other: bool = False) -> None:
        """Bring files, those that there are; bytes that SHA256SUMS has not are asked for again.

        Args:
            names: of the files; SHA256SUMS is believed as it comes.
            keeps_other: whether bytes that are other ones each time are taken.

        Raises:
            StorageError: if they cannot be had, or are other ones each time.
        """
        for name in names:
            nbytes = self.store.nbytes(name)
            if nbytes is not None:
                self._bring(name, nbytes, keeps_other)

    def _bring(self, name: str, nbytes: int, keeps_other: bool) -> None:
        path, sha256 = self.root / name, _sums(self.root / SUMS).get(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            download(self.store, name, nbytes, path, sha256=sha256, keeps_other=keeps_other)
        except OSError as error:
            raise StorageError(
                f"{self.store.where(name)}: cannot be written to {self.root} ({error.strerror}); "
                "set TMPDIR to a folder on a disk with room"
            ) from error

    def named(self, text: str) -> str:
        """Return a message about what is in the folder as one about what is at the URL."""
        return text.replace(str(self.root), self.name)


@contextmanager
def mirror(url: str) -> Iterator[Mirror]:
    """Yield a folder for files of the dataset at `url`; errors name the URL instead of it."""
    with TemporaryFolder() as folder:
        made = Mirror(url, folder.path)
        try:
            yield made
        except ImnetError as error:
            raise type(error)(made.named(str(error))) from None


def _sums(path: Path) -> dict[str, str]:
    """Return the lines of SHA256SUMS that can be read, if it has come already."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return dict(filter(None, map(parse_sum, text.split("\n"))))
