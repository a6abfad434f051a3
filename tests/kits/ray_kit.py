"""A Ray cluster on this machine, in processes of its own; machines are added, and lost."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVE = """
import json, sys
from ray.cluster_utils import Cluster

cluster = Cluster()
for line in sys.stdin:
    node = cluster.add_node(
        num_cpus=int(line), include_dashboard=False, object_store_memory=80 << 20
    )
    (raylet,) = node.all_processes["raylet"]
    print(json.dumps([cluster.address, raylet.process.pid]), flush=True)
cluster.shutdown()
"""


class Machine:
    """One raylet and its workers."""

    def __init__(self, raylet: int) -> None:
        self.raylet = raylet

    def workers(self) -> list[int]:
        path = Path(f"/proc/{self.raylet}/task/{self.raylet}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def at_work(self, folder: Path) -> list[int]:
        """Return the workers that have a file below `folder` open."""
        return [pid for pid in self.workers() if _has_open(pid, folder)]

    def is_lost(self) -> None:
        """Kill all of it at once: first it is stopped, so that it starts no more workers."""
        os.kill(self.raylet, signal.SIGSTOP)
        for pid in [*self.workers(), self.raylet]:
            os.kill(pid, signal.SIGKILL)


def _has_open(pid: int, folder: Path) -> bool:
    try:
        links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(link.startswith(f"{folder}/") for link in links)


class RayCluster:
    """A head without CPUs, and a machine with two; it may be lost after another has come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._add(num_cpus=0)
        self.machine = self._add(num_cpus=2)

    def lose_machine(self) -> None:
        """Kill the machine, in whose place another one has come."""
        lost, self.machine = self.machine, self._add(num_cpus=2)
        lost.is_lost()

    def _add(self, num_cpus: int) -> Machine:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{num_cpus}\n")
        self._process.stdin.flush()
        self.address, raylet = json.loads(self._process.stdout.readline())
        return Machine(raylet)


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Return an environment in which Ray writes below a folder of its own, and finds no cluster."""
    # short, as the paths of sockets are; Ray writes its address to a folder that it does not make
    with tempfile.TemporaryDirectory(prefix="r") as folder:
        (Path(folder) / "ray").mkdir()
        named = os.environ.items()
        yield {name: value for name, value in named if name != "RAY_ADDRESS"} | {
            "RAY_TMPDIR": folder,
            "RAY_raylet_start_wait_time_s": "120",  # beside other work, as is the next
            "RAY_worker_register_timeout_seconds": "300",
            "RAY_health_check_period_ms": "100",  # a machine that is lost refuses five times
        }


@contextmanager
def cluster() -> Iterator[RayCluster]:
    """Start a cluster; end it."""
    with environment() as variables:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield RayCluster(process)
        finally:
            process.communicate(timeout=300)
