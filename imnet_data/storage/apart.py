"""A store that is asked by another process, so that this one can still be forked.

What reads from stores does not survive a fork, and the workers of a conversion are forked from the
process that has listed its source. So that one asks a process of its own, which it starts; each
worker opens the store itself. Requests go there by number and may be under way together.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from imnet_data.errors import StorageError
from imnet_data.storage import address, ranges
from imnet_data.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from imnet_data.storage.store import Store

_THREADS = 8
_SERVE = "import sys; from imnet_data.storage.apart import serve; serve(int(sys.argv[1]))"


class StoreApart:
    """The objects below a URL, read through another process, or here in one that was forked."""

    def __init__(self, url: str) -> None:
        """Name the store; it is opened when it is first read.

        Raises:
            StorageError: if there are no stores of that scheme.
            MissingExtra: if what reads from stores is not installed.
        """
        open_store(url)
        self._url = url
        self._process = os.getpid()

    def __reduce__(self) -> tuple[type[StoreApart], tuple[str]]:
        return StoreApart, (self._url,)

    def __repr__(self) -> str:
        return f"StoreApart({address.shown(self._url)})"

    def where(self, name: str) -> str:
        """Return the URL of an object, without what may be secret."""
        return f"{address.shown(self._url)}/{name}"

    def nbytes(self, name: str) -> int | None:
        """Return the size of an object; None if there is none."""
        found: int | None = self._later("nbytes", name)()
        return found

    def identity(self, name: str) -> str | None:
        """Return a text that changes when an object is written again; None if there is none."""
        found: str | None = self._later("identity", name)()
        return found

    def written_ns(self, name: str) -> int:
        """Return when an object was last written, in ns; 0 where its server does not say."""
        found: int = self._later("written_ns", name)()
        return found

    def listed(self, folder: str) -> tuple[list[str], dict[str, int]]:
        """Return the names of the folders in a folder, and of the objects, with their sizes."""
        found: tuple[list[str], dict[str, int]] = self._later("listed", folder)()
        return found

    def read(self, name: str, start: int, nbytes: int) -> bytes:
        """Return a range of an object."""
        return self.read_later(name, start, nbytes)()

    def read_later(self, name: str, start: int, nbytes: int) -> Callable[[], bytes]:
        """Return what returns a range of an object, which may be under way meanwhile."""
        return self._later("read", name, start, nbytes)

    def read_ranges(
        self, name: str, starts: Sequence[int], nbytes: Sequence[int]
    ) -> list[bytes | memoryview]:
        """Return several ranges of an object; those that lie near each other in one go."""
        return [*ranges.read_together(functools.partial(self.read, name), starts, nbytes)]

    def write(self, name: str, path: Path) -> None:
        """Make an object of a file; it appears whole, or not at all."""
        self._later("write", name, path)()

    def put(self, name: str, content: bytes) -> None:
        """Make a small object, likewise."""
        self._later("put", name, content)()

    def create(self, name: str, content: bytes) -> None:
        """Make a small object, unless there is one."""
        self._later("create", name, content)()

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        self._later("remove", name)()

    def names(self, folder: str = "") -> list[str]:
        """Return the names of all objects below a folder, sorted."""
        found: list[str] = self._later("names", folder)()
        return found

    def _later(self, call: str, *arguments: object) -> Callable[[], Any]:
        if os.getpid() != self._process and _is_usable_here():
            return functools.partial(getattr(_opened(self._url), call), *arguments)
        return _reader(os.getpid()).ask(self._url, call, arguments)


def _is_usable_here() -> bool:
    from imnet_data.storage import cloud

    return cloud.is_usable()


@functools.lru_cache(8)
def _opened(url: str) -> Store:
    return open_store(url)


class _Reader:
    """The other process."""

    def __init__(self) -> None:
        mine, other = socket.socketpair()
        words = [sys.executable, "-c", _SERVE, str(other.fileno())]
        self.process = subprocess.Popen(words, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL)
        other.close()
        self._connection = Connection(mine.detach())
        self._sending, self._arrived = threading.Lock(), threading.Condition()
        self._asked, self._is_receiving = 0, False
        self._answers: dict[int, Any] = {}
        weakref.finalize(self, _end, os.getpid(), self._connection, self.process)

    def ask(self, url: str, call: str, arguments: tuple[object, ...]) -> Callable[[], Any]:
        """Send a request; return what waits for its answer."""
        with self._sending:
            self._asked += 1
            try:
                self._connection.send((self._asked, url, call, arguments))
            except OSError as error:
                raise _killed() from error
            return functools.partial(self._answer, self._asked)

    def _answer(self, number: int) -> Any:
        while not self._has_arrived(number):  # of the threads that wait, one receives for all
            try:
                answered, *answer = self._connection.recv()
                self._answers[answered] = answer
            except (EOFError, OSError) as error:
                raise _killed() from error
            except BaseException:  # in the middle of an answer: what follows cannot be read
                self.process.kill()
                raise
            finally:
                with self._arrived:
                    self._is_receiving = False
                    self._arrived.notify_all()
        value, raised = self._answers.pop(number)
        if raised is not None:
            raise raised
        return value

    def _has_arrived(self, number: int) -> bool:
        """Return whether an answer is there; if not, the caller is the one who receives."""
        with self._arrived:
            self._arrived.wait_for(lambda: number in self._answers or not self._is_receiving)
            has_arrived = number in self._answers
            self._is_receiving = self._is_receiving or not has_arrived
            return has_arrived


@functools.lru_cache(1)
def _reader(process: int) -> _Reader:
    del process  # a forked one has its own
    return _Reader()


def stop() -> None:
    """End what this process waits for; the threads that do so get a StorageError."""
    if _reader.cache_info().currsize:
        _reader(os.getpid()).process.kill()


def _killed() -> StorageError:
    _reader.cache_clear()  # the next request starts another
    return StorageError("the process that reads from stores was killed; run the same again")


def _end(process: int, connection: Connection, reader: subprocess.Popen[bytes]) -> None:
    if os.getpid() == process:
        connection.close()
        reader.kill()  # forked workers may still have the connection, so it would not see its end
        reader.wait()


def serve(descriptor: int) -> None:
    """Answer requests until the process that sends them has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other one decides
    connection, lock = Connection(descriptor), threading.Lock()

    def answer(number: int, done: Future[object]) -> None:
        error = done.exception()
        with lock:
            connection.send((number, None if error else done.result(), error))

    with ThreadPoolExecutor(_THREADS) as threads:
        while True:
            try:
                number, url, call, arguments = connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # whatever is under way is of no use any more
            asked = threads.submit(_asked, url, call, arguments)
            asked.add_done_callback(functools.partial(answer, number))


def _asked(url: str, call: str, arguments: tuple[object, ...]) -> object:
    return getattr(_opened(url), call)(*arguments)
