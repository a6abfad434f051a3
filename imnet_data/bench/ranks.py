"""Loaders side by side, a process each, as the ranks of one machine have them.

The processes wait for a line with the seconds of a repeat, and print what they did as JSON: a line
each, begun at the same time. They end when their standard input does.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from imnet_data.bench import names
from imnet_data.bench.loading import Loading
from imnet_data.bench.measurement import Repeat, repeat
from imnet_data.bench.sample import work_of
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.machine.closing import Closing

if TYPE_CHECKING:
    from imnet_data.bench.options import BenchOptions


class SideBySide(Closing):
    """Stage: as many loaders as ranks, each with its part of every epoch.

    Args:
        dataset: opened.
        options: have the ranks, and the threads that they share.
        device: where the loaders of torch and DALI put their batches.
    """

    takes = "stored bytes"
    is_cold: bool | None = False

    def __init__(self, dataset: Dataset, options: BenchOptions, *, device: str) -> None:
        each = max(1, options.threads[-1] // options.ranks)
        self.name = f"{names.BATCHES}, {options.ranks} ranks ({options.loader})"
        self.threads = each * options.ranks
        schedule = work_of(dataset, batch_size=options.batch_size, size=options.size).schedule
        dataclasses.replace(schedule, world_size=options.ranks)  # a ValueError if it has no batch
        self._asked = [
            {
                "root": str(dataset.root),
                "split": dataset.split,
                "batch_size": options.batch_size,
                "size": options.size,
                "kind": options.loader,
                "threads": each,
                "seconds": options.seconds,
                "device": device,
                "rank": rank,
                "world_size": options.ranks,
            }
            for rank in range(options.ranks)
        ]
        self._processes: list[subprocess.Popen[str]] = []
        self._checked = 0

    def prepare(self) -> None:
        """Start the processes, and wait until each has run once."""
        if self._processes:
            return
        for asked in self._asked:
            command = [sys.executable, "-m", "imnet_data.bench.ranks", json.dumps(asked)]
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for process in self._processes:
            self._answer(process)

    def timed(self, *, seconds: float) -> Repeat:
        """Return what all ranks did together, in the time of the slowest."""
        self.prepare()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        answers = [self._answer(process) for process in self._processes]
        self._checked = sum(answer.pop("checked") for answer in answers)
        return together([Repeat(**answer) for answer in answers])

    def check(self) -> int:
        """Return how many images the ranks have checked."""
        return self._checked

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait()
            process.stdout.close()
        self._processes.clear()

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise EvaluationError(
                f"{self.name}: a rank ended with status {process.wait()}; what it said is above"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def together(ranks: list[Repeat]) -> Repeat:
    """Return what several ranks did at the same time."""
    slowest = max(one.seconds for one in ranks)
    speed = sum(one.images / one.seconds for one in ranks)
    images = round(speed * slowest)  # a rank that ended sooner had not less to do
    share = images / sum(one.images for one in ranks)
    storage = [one.storage_nbytes for one in ranks if one.storage_nbytes is not None]
    waits = [one.core_wait_seconds for one in ranks if one.core_wait_seconds is not None]
    peaks = [one.peak_nbytes for one in ranks if one.peak_nbytes is not None]
    return Repeat(
        images=images,
        nbytes=round(share * sum(one.nbytes for one in ranks)),
        seconds=slowest,
        cpu_seconds=share * sum(one.cpu_seconds for one in ranks),
        batch_seconds=[seconds for one in ranks for seconds in one.batch_seconds],
        first_batch_seconds=max(one.first_batch_seconds for one in ranks),
        peak_nbytes=sum(peaks) if len(peaks) == len(ranks) else None,
        storage_nbytes=sum(storage) if len(storage) == len(ranks) else None,
        others_cores=None,  # each rank is another process to the others
        core_wait_seconds=sum(waits) if len(waits) == len(ranks) else None,
        throttled_seconds=ranks[0].throttled_seconds,  # of the group that all are in
    )


def main(asked: dict[str, Any]) -> None:
    """Be one rank."""
    with Dataset.open(asked["root"], asked["split"]) as dataset:
        work = work_of(dataset, batch_size=asked["batch_size"], size=asked["size"])
        schedule = dataclasses.replace(
            work.schedule, rank=asked["rank"], world_size=asked["world_size"]
        )
        loading = Loading(
            dataset,
            work._replace(schedule=schedule),
            kind=asked["kind"],
            threads=asked["threads"],
            seconds=asked["seconds"],
            device=asked["device"],
        )
        loading.prepare()
        _say({})
        for line in sys.stdin:
            done = repeat(loading, seconds=float(line))
            _say({**done._asdict(), "checked": loading.check()})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
