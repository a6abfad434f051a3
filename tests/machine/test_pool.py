import os
import signal

import pytest

from imnet_data.errors import ImnetError
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
