"""A pool of processes for work that is cut into jobs, with progress and a clean stop.

Workers are forked: they share what the parent has prepared, and die with it, so that a killed
command leaves nobody behind who still writes.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from imnet_data.arguments import MAX_THREADS, integer
from imnet_data.errors import Stopped, WorkerKilled
from imnet_data.machine.limits import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Lock

Job = TypeVar("Job")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_SECONDS = 0.2
_STOP_SECONDS = 1.0  # for the record that a worker has in hand; a store may not answer for minutes


def worker_count(workers: int | None) -> int:
    """Return the number of processes that is asked for; None is one for each core."""
    return cores() if workers is None else integer("workers", workers, least=1, most=MAX_THREADS)


def thread_count(threads: int | None) -> int:
    """Return the number of threads that is asked for; None is one for each core."""
    return cores() if threads is None else integer("threads", threads, least=1, most=MAX_THREADS)


class Counter:
    """Records and bytes done by all workers together, and whether they shall stop."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        # raw values under one lock: a tenth of the time of an Event and Values with their own
        self._counts = context.RawArray("q", 2)
        self._stopped = context.RawValue("b", 0)
        self._lock: Lock = context.Lock()

    def add(self, records: int, nbytes: int) -> None:
        """Count work done.

        Raises:
            Stopped: if the work shall stop.
        """
        with self._lock:
            self._counts[0] += records
            self._counts[1] += nbytes
        if self._stopped.value:
            raise Stopped("stopped")

    def stop(self) -> None:
        """Make every worker stop at its next record."""
        self._stopped.value = 1

    def __reduce__(self) -> tuple[type[Counter], tuple[()]]:
        """Return another that begins: only forked workers count together."""
        return Counter, ()

    @property
    def done(self) -> tuple[int, int]:
        """Records and bytes so far."""
        # without the lock: a worker that the system kills may hold it for ever
        return self._counts[0], self._counts[1]


class Run(Protocol):
    """What runs a task for each of many jobs; see `run`, whose errors it raises."""

    def __call__(
        self,
        task: Callable[[Job], Result],
        jobs: Sequence[Job],
        *,
        counter: Counter,
        poll: Callable[[], None],
    ) -> Iterator[Result]:
        """Run `task(job)` for each job; return the results as they come."""


def run(
    task: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    counter: Counter,
    poll: Callable[[], None],
) -> Iterator[Result]:
    """Run `task(job)` for each job in `workers` processes; return the results as they come.

    Args:
        task: reaches the workers through the fork, so it may hold anything.
        jobs: what crosses to the workers one by one.
        workers: processes.
        counter: stops the workers when anything fails.
        poll: called several times a second.

    Raises:
        ImnetError: what a task raised, or that a worker was killed.
    """
    with _executor(task, jobs, workers) as executor:
        try:
            todo = iter(jobs)
            waiting = {executor.submit(_run_task, job) for job in islice(todo, _window(workers))}
            while waiting:
                ended, waiting = wait(waiting, _POLL_SECONDS, FIRST_COMPLETED)
                poll()
                for future in ended:
                    yield cast("Result", future.result())
                    waiting |= {executor.submit(_run_task, job) for job in islice(todo, 1)}
        except BaseException:
            counter.stop()
            raise


def processes(workers: int) -> Run:
    """Return `run` with so many processes."""
    return partial(run, workers=workers)


def run_in_order(
    task: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int
) -> Iterator[Result]:
    """Run `task(job)` for each job in `workers` processes; return the results in the jobs' order.

    Only few results wait to be taken, so that they may be large. Arguments and errors are those
    of `run`. What one process can do is done in this one.
    """
    if min(workers, len(jobs)) <= 1:
        yield from map(task, jobs)
        return
    with _executor(task, jobs, workers) as executor:
        todo = iter(jobs)
        waiting = deque(executor.submit(_run_task, job) for job in islice(todo, _window(workers)))
        while waiting:
            yield cast("Result", waiting.popleft().result())
            waiting.extend(executor.submit(_run_task, job) for job in islice(todo, 1))


def _window(workers: int) -> int:
    """Return how many jobs are handed out at a time: waiting for all of many takes its time."""
    return 4 * max(1, workers)


@contextmanager
def _executor(
    task: Callable[..., object], jobs: Sequence[object], workers: int
) -> Iterator[ProcessPoolExecutor]:
    global _task
    _task = task
    context = multiprocessing.get_context("fork")
    count = max(1, min(workers, len(jobs)))
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, context, _start_worker, (os.getpid(),)) as executor:
        try:
            yield executor
        except BrokenProcessPool as error:
            raise WorkerKilled(
                "a worker process was killed (by the system, short of memory?); "
                "run the same command again, with fewer --workers"
            ) from error
        except BaseException:
            manager: Any = executor._executor_manager_thread  # None before the first job
            executor.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - others)
            if manager:  # else it may close a pipe while Python, at its exit, writes to it
                manager.join()
            raise


_task: Callable[..., object]


def _end(workers: Collection[BaseProcess]) -> None:
    """Wait for workers that were asked to stop; kill those that hang, or all at another Ctrl-C."""
    try:
        until = time.monotonic() + _STOP_SECONDS
        waiting = [worker.sentinel for worker in workers]
        while waiting and (left := until - time.monotonic()) > 0:
            ended = set(connection.wait(waiting, left))
            waiting = [sentinel for sentinel in waiting if sentinel not in ended]
    except KeyboardInterrupt:
        pass  # the first one is on its way already
    finally:
        for worker in workers:
            worker.kill()


def _run_task(job: object) -> object:
    return _task(job)


def _start_worker(parent: int) -> None:
    gc.freeze()  # what the parent has left unreachable may wait for threads that are not here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
