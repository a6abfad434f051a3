"""Work that is cut into jobs, as tasks of a Ray cluster that is there already.

Where a task runs, when, and that it runs again elsewhere if its machine is lost is Ray's matter. A
task asks for one CPU. What all jobs need is put into the cluster once; each process of it loads
that once, and arrays in it are shared by all processes of a machine.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from imnet_data.errors import ClusterError, MissingExtra
from imnet_data.machine.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.machine.pool import Counter, Run

Job = TypeVar("Job")
Result = TypeVar("Result")

AUTO = "auto"  # RAY_ADDRESS, or else the cluster that this machine belongs to

_VARIABLE = "RAY_ADDRESS"
_SAME_PATHS = "all machines of the cluster need the same files at the same paths"
_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.2
_ASK_SECONDS = 1.0  # for the number of CPUs
_LEAST_WAITING = 16  # tasks that are handed out at a time


class Cluster(Closing):
    """A connection to a cluster, for one `run`; that of a caller is used, and stays."""

    def __init__(self, address: str) -> None:
        """Connect.

        Args:
            address: host and port of the head, or "auto".

        Raises:
            ClusterError: if there is no cluster.
            MissingExtra: if Ray is not installed.
        """
        self._ray = _import_ray()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            _connect(self._ray, address)

    def run(
        self,
        task: Callable[[Job], Result],
        jobs: Sequence[Job],
        *,
        counter: Counter,
        poll: Callable[[], None],
    ) -> Iterator[Result]:
        """Run `task(job)` for each job; return the results as they come, then disconnect.

        Args:
            task: anything that can be pickled; `counter`, if it has it, counts in each process.
            jobs: what crosses to the cluster one by one.
            counter: is given what a job has counted when it ends.
            poll: called several times a second.

        Raises:
            ImnetError: what a task raised, or that Ray has given up.
        """
        do = self._ray.remote(_do)
        shared = self._ray.put((task, counter))
        todo, waiting = iter(jobs), list[Any]()
        most, asked_at = 0, -_ASK_SECONDS
        try:
            while True:
                if time.monotonic() - asked_at >= _ASK_SECONDS:  # it may have grown
                    most, asked_at = max(_LEAST_WAITING, 2 * self._cpu_count()), time.monotonic()
                room = max(0, most - len(waiting))
                # in a list, so that Ray does not load it for each task
                waiting += [do.remote([shared], job) for job in islice(todo, room)]
                if not waiting:
                    break
                ended, waiting = self._ray.wait(waiting, timeout=_POLL_SECONDS)
                for each in ended:
                    result, counted = self._result(each)
                    counter.add(*counted)
                    yield result
                poll()
        finally:
            self.close()

    def prepare(self, task: Callable[..., object]) -> None:
        """Have processes start that import what `task` needs, while the jobs are still planned."""
        get_ready = self._ray.remote(_get_ready)
        for _ in range(self._cpu_count()):
            get_ready.remote(task)

    def text(self) -> str:
        """Return how large the cluster is now."""
        alive = sum(bool(node["Alive"]) for node in self._ray.nodes())
        return f"Ray: {self._cpu_count()} CPUs on {alive} machine{'s' * (alive != 1)}"

    def _cpu_count(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def _result(self, reference: Any) -> Any:
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except exceptions.RayError as error:
            what = str(error).strip().partition("\n")[0]
            raise ClusterError(
                f"Ray has given up a task ({what}); look at the cluster with `ray status`, then "
                "run the same command again"
            ) from error

    def close(self) -> None:
        """Disconnect, unless the caller had connected before; then Ray kills tasks that run."""
        # not with ray.cancel: if a task ends at that moment, Ray 2.60 aborts this process, as it
        # did in ray-project/ray#54798
        if self._is_ours:
            self._ray.shutdown()


def running(address: str) -> Run:
    """Return what connects to a cluster when it is called, and then is its `run`.

    Raises:
        MissingExtra: if Ray is not installed.
    """
    _import_ray()

    def run(
        task: Callable[[Job], Result],
        jobs: Sequence[Job],
        *,
        counter: Counter,
        poll: Callable[[], None],
    ) -> Iterator[Result]:
        with Cluster(address) as cluster:
            yield from cluster.run(task, jobs, counter=counter, poll=poll)

    return run


def require_here(path: Path) -> None:
    """Refuse a machine of the cluster that does not have a file.

    Raises:
        ClusterError: naming both.
    """
    if not path.exists():
        raise ClusterError(f"{path}: is not there on {socket.gethostname()}; {_SAME_PATHS}")


def _import_ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Ray is not installed; install it, in a clone: pip install -e '.[ray]'"
        ) from error
    return ray


def _connect(ray: Any, address: str) -> None:
    named = os.environ.get(_VARIABLE, AUTO) if address == AUTO else address
    host, _, port = named.rpartition(":")
    try:
        if port.isdecimal() and "/" not in host:  # Ray tries for minutes
            socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
        ray.init(named, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        what = "no Ray cluster is found" if named == AUTO else f"{named}: no Ray cluster answers"
        raise ClusterError(
            f"{what} ({str(error).strip().partition('. ')[0]}); start one with `ray start --head`, "
            f"or pass the address of its head as --ray=HOST:6379, or in {_VARIABLE}"
        ) from error


def _get_ready(task: Callable[..., object]) -> None:
    """Do nothing: to come here, a process has imported the module of `task`."""


def _do(shared: list[Any], job: Any) -> tuple[Any, tuple[int, int]]:
    """Do one job, in a process of the cluster; return its result, and what it has counted."""
    task, counter = _loaded(shared[0])
    before = counter.done
    result = task(job)
    records, nbytes = (now - then for now, then in zip(counter.done, before, strict=True))
    return result, (records, nbytes)


@functools.lru_cache(1)
def _loaded(reference: Any) -> Any:
    """Return what all jobs need; what is read from is opened here."""
    import ray

    try:
        return ray.get(reference)
    except OSError as error:
        raise ClusterError(
            f"{error.filename or 'a source'}: cannot be read on {socket.gethostname()} "
            f"({error.strerror or error}); {_SAME_PATHS}"
        ) from error
