import os
import signal
import time
from collections.abc import Sequence

import pytest

from imnet_data.errors import ImnetError, ManifestError
from imnet_data.machine import pool


@pytest.mark.parametrize("workers", [1, 3])
def test_a_worker_that_is_killed_while_it_counts_is_one_line(workers: int) -> None:
    counter = pool.Counter()

    def task(job: int) -> None:
        if job == 0:
            counter._lock.acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        counter.add(1, 1)

    def poll() -> None:
        assert counter.done[0] <= 30

    with pytest.raises(ImnetError, match="a worker process was killed"):
        list(pool.run(task, range(30), workers=workers, counter=counter, poll=poll))


class Taken(Sequence[int]):
    """Numbers that know how many of them were taken."""

    def __init__(self, count: int) -> None:
        self.length = count
        self.taken = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        if index >= self.length:
            raise IndexError
        self.taken += 1
        return index


def test_few_jobs_are_handed_out_at_a_time_so_that_waiting_for_one_does_not_take_longer() -> None:
    jobs = Taken(1000)
    counter = pool.Counter()
    results = pool.run(lambda job: job, jobs, workers=2, counter=counter, poll=lambda: None)
    found = set()
    for number, result in enumerate(results):
        assert jobs.taken <= number + 16
        found.add(result)
    assert found == set(range(1000))


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_few_wait(workers: int) -> None:
    def task(job: int) -> int:
        time.sleep(0.01 * (job % 3 == 0))  # the first are the slow ones
        return job * job

    jobs = Taken(100)
    for number, result in enumerate(pool.run_in_order(task, jobs, workers=workers)):
        assert result == number * number
        assert jobs.taken <= number + 16


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_task_raises_is_raised_in_its_place(workers: int) -> None:
    def task(job: int) -> int:
        if job == 5:
            raise ManifestError("five")
        return job

    results = pool.run_in_order(task, range(100), workers=workers)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ManifestError, match="five"):
        next(results)
