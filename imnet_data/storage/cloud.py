"""An object store (S3, Google, Azure, plain HTTP) as a store, through obstore.

Its own retries are for a request that is answered with an error; a body that breaks off, is late or
has another length than was asked for is asked for again here, with growing, random waits. Its texts
may hold URLs with signatures, so no message has them, and no error is raised from one of its own.

Its threads do not survive a fork: a process that was forked after its parent has read something is
refused, as it would wait for ever. `isolated` reads in a process of its own.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import random
import re
import subprocess
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from imnet_data.errors import MissingExtra, StorageError
from imnet_data.storage import address, ranges

try:
    import obstore
    from obstore import exceptions
    from obstore.store import HTTPStore, from_url
except ModuleNotFoundError as error:
    raise MissingExtra(
        "a URL needs obstore, which is not installed; in a clone of imnet-data, run: "
        "pip install '.[cloud]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from obstore import GetOptions, ObjectMeta

Result = TypeVar("Result")

_log = logging.getLogger("imnet_data")

ATTEMPTS = 6
_WAIT_SECONDS = 0.2  # before the second attempt; it doubles
_PATIENCE_SECONDS = 300  # no attempt begins later
_RETRY_SECONDS = 60  # no retry of obstore's own begins later
_TOLD_SECONDS = 20  # an attempt that takes longer is told of
_TIMEOUT = "60s"  # of a request: no more than a piece is asked for at a time
_CONNECT_TIMEOUT = "10s"
_CONNECTIONS = 16
_STATUS = re.compile(r"status code: (\d{3})")
# another attempt ends the same; 400 may be a body that was changed on its way
_FINAL = re.compile(r"status (?!400|408|409|429)(4\d\d|501)|not supported|no ranges")
_DENIED = (
    "access is denied; check the credentials in the environment, those of the store's own tools"
)
_SAID = {
    "status 401": _DENIED,
    "status 403": _DENIED,
    "status 404": "there is no such object; check the URL",
    "no ranges": "its server sends no parts of a file; download it, and pass that",
}
_used_by: int | None = None  # the process whose threads obstore has


class CloudStore:
    """Store: the objects below a URL. It can be pickled, and is opened in each process anew."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_signed = "?" in url
        self._store: Any = None

    def __reduce__(self) -> tuple[type[CloudStore], tuple[str]]:
        return CloudStore, (self._url,)

    def __repr__(self) -> str:
        return f"CloudStore({address.shown(self._url)})"

    def where(self, name: str) -> str:
        """Return the URL of an object, without what may be secret."""
        return f"{address.shown(self._url)}/{name}"

    def nbytes(self, name: str) -> int | None:
        """Return the size of an object."""
        found = self._head(name)
        return None if found is None else int(found["size"])

    def identity(self, name: str) -> str | None:
        """Return size and ETag of an object; its time where a store gives no ETag."""
        found = self._head(name)
        return (
            None if found is None else f"{found['size']} {found['e_tag'] or found['last_modified']}"
        )

    def written_ns(self, name: str) -> int:
        """Return when an object was last written, in ns; 0 where its server does not say."""
        found = self._head(name)
        return int(found["last_modified"].timestamp() * 10**9) if found else 0

    def _head(self, name: str) -> ObjectMeta | None:
        def head() -> ObjectMeta | None:
            try:
                if self._is_signed:  # which is for GET alone
                    begin: GetOptions = {"range": (0, 1)}
                    return obstore.get(self._opened(), name, options=begin).meta
                return obstore.head(self._opened(), name)
            except (exceptions.NotFoundError, FileNotFoundError):
                return None

        return self._retried(name, head)

    def read(self, name: str, start: int, nbytes: int) -> bytes:
        """Return a range of an object."""
        return bytes(self._range(name, start, nbytes))

    def _range(self, name: str, start: int, nbytes: int) -> memoryview:
        """Return a range of an object as it came: a copy costs more than its sha256."""
        if not nbytes:
            return memoryview(b"")

        def content() -> memoryview:
            found = memoryview(obstore.get_range(self._opened(), name, start=start, length=nbytes))
            if len(found) != nbytes:
                raise _Short(f"it sent {len(found):,} bytes instead of {nbytes:,}")
            return found

        return self._retried(name, content)

    def read_ranges(
        self, name: str, starts: Sequence[int], nbytes: Sequence[int]
    ) -> list[bytes | memoryview]:
        """Return several ranges of an object."""
        # not with obstore's own get_ranges: a short response ends in a panic there
        return [*ranges.read_together(functools.partial(self._range, name), starts, nbytes)]

    def write(self, name: str, path: Path) -> None:
        """Upload a file, in several parts if it is large."""

        def upload() -> None:
            obstore.put(
                self._opened(),
                name,
                path,
                chunk_size=ranges.part_nbytes(path.stat().st_size),
                max_concurrency=4,
            )

        self._retried(name, upload)

    def put(self, name: str, content: bytes) -> None:
        """Upload bytes."""
        self._retried(name, lambda: obstore.put(self._opened(), name, content))

    def create(self, name: str, content: bytes) -> None:
        """Upload bytes, unless there are some; in a store that cannot tell, instead of them."""

        def create() -> None:
            with contextlib.suppress(exceptions.AlreadyExistsError, exceptions.PreconditionError):
                obstore.put(self._opened(), name, content, mode="create")

        self._retried(name, create)

    def remove(self, name: str) -> None:
        """Remove an object."""

        def delete() -> None:
            with contextlib.suppress(exceptions.NotFoundError, FileNotFoundError):
                obstore.delete(self._opened(), name)

        self._retried(name, delete)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of all objects below a folder."""

        def listed() -> list[str]:
            pages = obstore.list(self._opened(), folder or None)
            return sorted(found["path"] for page in pages for found in page)

        return self._retried(folder, listed)

    def listed(self, folder: str) -> tuple[list[str], dict[str, int]]:
        """Return the names of the folders in a folder, and of its objects, with their sizes."""

        def level() -> tuple[list[str], dict[str, int]]:
            found = obstore.list_with_delimiter(self._opened(), folder or None)
            objects = {_last(each["path"]): int(each["size"]) for each in found["objects"]}
            return sorted(map(_last, found["common_prefixes"])), dict(sorted(objects.items()))

        return self._retried(folder, level)

    def _opened(self) -> Any:
        global _used_by
        if not is_usable():
            raise StorageError(
                f"{address.shown(self._url)}: this process was forked from one that had read from "
                "a store, and what reads does not survive that; open the loader in the workers "
                "alone, or start them with the start method spawn or forkserver"
            )
        _used_by = os.getpid()
        if self._store is None:
            self._store = _open(self._url)
        return self._store

    def _retried(self, name: str, attempt: Callable[[], Result]) -> Result:
        reason, attempts, end = "", 0, time.monotonic() + _PATIENCE_SECONDS
        while attempts < ATTEMPTS and time.monotonic() < end:
            if attempts:
                time.sleep(_WAIT_SECONDS * 2 ** (attempts - 1) * random.uniform(0.5, 1.5))
            attempts += 1
            begin = time.monotonic()
            try:
                return attempt()
            except (exceptions.NotFoundError, FileNotFoundError):
                reason = "status 404"
            except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError):
                reason = "status 403"
            except (exceptions.BaseError, _Short, OSError) as error:
                reason = _reason(error)
            if _FINAL.fullmatch(reason):
                said = _SAID.get(reason, f"the store does not do that ({reason}); check the URL")
                raise StorageError(f"{self.where(name)}: {said}")
            if time.monotonic() - begin > _TOLD_SECONDS:
                _log.warning("%s: does not answer (%s); asking again", self.where(name), reason)
        raise StorageError(
            f"{self.where(name)}: cannot be reached after {attempts} attempts ({reason}); run the "
            "same again once the store answers"
        )


def is_usable() -> bool:
    """Return whether stores can be read in this process: none was in one it was forked from."""
    return _used_by in (None, os.getpid())


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


class _Short(Exception):
    """A response is shorter or longer than was asked for."""


def _reason(error: Exception) -> str:
    """Return what happened, of a text that may hold what is secret."""
    if isinstance(error, _Short):
        return str(error)
    if isinstance(error, exceptions.NotSupportedError):
        return "no ranges" if "range" in str(error).lower() else "not supported"
    text = str(error).lower().replace("retry_timeout", "")  # a setting that it always names
    if matched := _STATUS.search(text):
        return f"status {matched[1]}"
    words = ("timed out", "timeout", "connection refused", "connection reset", "dns error")
    return next((word for word in words if word in text), "the connection broke off")


def _open(url: str) -> Any:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", ""))
    options: Any = {
        "timeout": _TIMEOUT,
        "connect_timeout": _CONNECT_TIMEOUT,
        "pool_max_idle_per_host": str(_CONNECTIONS),
        "allow_http": url.startswith("http:") or endpoint.startswith("http:"),
    }
    retry: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    try:
        opens: Any = HTTPStore.from_url if url.startswith("http") else from_url
        return opens(url, client_options=options, retry_config=retry)
    except (exceptions.BaseError, ValueError):
        raise StorageError(
            f"{address.shown(url)}: is not a URL that can be opened; check its slashes and "
            "bucket, and the credentials in the environment"
        ) from None


def isolated(code: str, *arguments: str) -> str:
    """Run code in a process of its own, so that this one can still be forked; return its output.

    Raises:
        StorageError: what it ended with.
    """
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    program = (
        "import sys\nfrom imnet_data.errors import ImnetError\n"
        f"try:\n{lines}\nexcept ImnetError as error:\n    sys.exit(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise StorageError(said[-1] if said else "a process that reads from a store was killed")
    return done.stdout
