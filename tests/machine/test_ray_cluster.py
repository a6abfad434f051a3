"""A connection to a Ray cluster: when its processes start, and when it ends."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

import ray_kit
from ray_kit import RayCluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster with two CPUs on one machine, and none on the head."""
    with ray_kit.cluster() as started:
        yield started


_PREPARED = """
import sys
from imnet_data.conversion import on_ray
from imnet_data.machine.ray_cluster import Cluster

with Cluster(sys.argv[1]) as cluster:
    cluster.prepare(on_ray._write_shard)
    sys.stdin.read()
"""


def _has_imported(pid: int) -> bool:
    """Return whether a process has the library of this package in its memory."""
    try:
        return "imnet_data/native/_native" in Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_processes_have_imported_what_tasks_need_before_there_is_one(cluster: RayCluster) -> None:
    words = [sys.executable, "-c", _PREPARED, cluster.address]
    process = subprocess.Popen(words, stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 120
        while not (ready := [pid for pid in cluster.machine.workers() if _has_imported(pid)]):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert ready
    finally:
        process.communicate(timeout=60)
    assert process.returncode == 0


_FORKED = """
import os, sys
import ray
from imnet_data.machine.pool import Counter
from imnet_data.machine.ray_cluster import Cluster

with Cluster(sys.argv[1]) as cluster:
    found = cluster.run(abs, [-1, -2, -3], counter=Counter(), poll=lambda: None)
    assert sorted(found) == [1, 2, 3]
    child = os.fork()
    if child == 0:
        os._exit(ray.is_initialized())
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
assert not ray.is_initialized()
"""


def test_a_process_that_is_forked_after_the_last_task_is_not_connected(cluster: RayCluster) -> None:
    words = [sys.executable, "-c", _FORKED, cluster.address]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_caller_that_does_not_take_all_results_is_disconnected(cluster: RayCluster) -> None:
    code = _FORKED.partition("    found = ")[0] + (
        "    found = cluster.run(abs, [-1, -2, -3], counter=Counter(), poll=lambda: None)\n"
        "    next(found)\n"
        "    found.close()\n"
        "    assert not ray.is_initialized()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, cluster.address], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
