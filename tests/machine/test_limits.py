"""Control groups as folders: what the kernel shows in several kinds of container."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imnet_data.machine import limits
from imnet_data.machine.limits import Limits, Throttling

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 {of} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {of} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
)


@pytest.fixture
def tree(tmp_path):
    def tree(*, mounts, groups, files=()):
        """Write `proc` and the files of groups below /sys/fs/cgroup; return the root."""
        known = {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups}
        for name, content in {**known, **dict(files)}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return tree


def test_a_container_with_a_namespace_of_its_own_sees_its_limits_at_the_top(tree):
    files = {
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/memory.max": "2147483648\n",
        "sys/fs/cgroup/cpu.stat": "nr_periods 40\nnr_throttled 7\nthrottled_usec 2500000\n",
    }
    root = tree(mounts=V2, groups="0::/\n", files=files)
    assert limits.limits(root) == Limits(1.5, 2 << 30)
    assert limits.throttling(root) == Throttling(40, 7, 2.5)


def test_the_tightest_limit_of_all_groups_above_counts(tree):
    files = {
        "sys/fs/cgroup/pod/cpu.max": "800000 100000\n",
        "sys/fs/cgroup/pod/memory.max": "1000000000\n",
        "sys/fs/cgroup/pod/one/cpu.max": "max 100000\n",
        "sys/fs/cgroup/pod/one/memory.max": "max\n",
        "sys/fs/cgroup/pod/one/memory.high": "900000000\n",
        "sys/fs/cgroup/other/cpu.max": "100000 100000\n",
    }
    root = tree(mounts=V2, groups="0::/pod/one\n", files=files)
    assert limits.limits(root) == Limits(8.0, 900_000_000)


@pytest.mark.parametrize("of", ["/", "/docker/1f"])
def test_version_1_is_read_where_its_controllers_are_mounted(tree, of):
    below = "docker/1f/" if of == "/" else ""
    files = {
        f"sys/fs/cgroup/cpu,cpuacct/{below}cpu.cfs_quota_us": "50000\n",
        f"sys/fs/cgroup/cpu,cpuacct/{below}cpu.cfs_period_us": "100000\n",
        f"sys/fs/cgroup/cpu,cpuacct/{below}cpu.stat": "nr_periods 4\nnr_throttled 2\n"
        "throttled_time 500000000\n",
        f"sys/fs/cgroup/memory/{below}memory.limit_in_bytes": "4294967296\n",
    }
    groups = "4:memory:/docker/1f\n2:cpu,cpuacct:/docker/1f\n1:name=systemd:/docker/1f\n"
    root = tree(mounts=V1.format(of=of), groups=groups, files=files)
    assert limits.limits(root) == Limits(0.5, 4 << 30)
    assert limits.throttling(root) == Throttling(4, 2, 0.5)


def test_no_limit_is_none_in_both_versions(tree):
    files = {
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu.max": "max 100000\n",
        "sys/fs/cgroup/memory.max": "max\n",
    }
    groups = "4:memory:/\n2:cpu,cpuacct:/\n0::/\n"
    root = tree(mounts=V1.format(of="/") + V2, groups=groups, files=files)
    assert limits.limits(root) == Limits(None, None)
    assert limits.throttling(root) is None


def test_a_system_without_control_groups_has_no_limits(tmp_path):
    assert limits.limits(tmp_path) == Limits(None, None)
    assert limits.cpu_cores(tmp_path) == len(os.sched_getaffinity(0))


def test_a_group_outside_of_the_namespace_is_not_looked_for(tree):
    root = tree(mounts=V2, groups="0::/../other\n", files={"other/cpu.max": "100 100000\n"})
    assert limits.limits(root) == Limits(None, None)


def test_cores_and_memory_are_the_least_of_what_is_there_and_what_is_allowed(tree):
    affinity = len(os.sched_getaffinity(0))
    small = {"sys/fs/cgroup/cpu.max": "25000 100000", "sys/fs/cgroup/memory.max": "1000000"}
    root = tree(mounts=V2, groups="0::/\n", files=small)
    assert limits.cpu_cores(root) == 0.25
    assert limits.memory_nbytes(root) == 1_000_000
    large = {"sys/fs/cgroup/cpu.max": "9999900000 100000", "sys/fs/cgroup/memory.max": "9" * 18}
    root = tree(mounts=V2, groups="0::/\n", files=large)
    assert limits.cpu_cores(root) == affinity
    assert limits.memory_nbytes(root) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_throttling_is_counted_between_two_readings():
    assert Throttling(50, 9, 2.0).since(Throttling(40, 7, 1.5)) == Throttling(10, 2, 0.5)


def test_cpu_time_is_that_of_everyone_under_the_same_quota(tree):
    files = {
        "sys/fs/cgroup/cpu.stat": "usage_usec 99000000\n",
        "sys/fs/cgroup/pod/cpu.max": "100000 100000\n",
        "sys/fs/cgroup/pod/cpu.stat": "usage_usec 2500000\n",
    }
    assert limits.cpu_seconds(tree(mounts=V2, groups="0::/pod\n", files=files)) == 2.5
    assert limits.cpu_seconds(tree(mounts=V2, groups="0::/\n")) is None


@pytest.fixture
def narrow_group():
    """A control group that the kernel gives a twentieth of a core, made where that is allowed."""
    memberships = [
        line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()
    ]
    for number, controllers, path in memberships:
        for mounted in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")):
            group = mounted / path.lstrip("/") / f"imnet-data-test-{os.getpid()}"
            is_of_cpu = number == "0" or "cpu" in controllers.split(",")
            if not is_of_cpu or not (group.parent / "cgroup.procs").exists():
                continue
            try:
                group.mkdir()
            except OSError:
                continue
            for name, quota in (("cpu.max", "5000 100000"), ("cpu.cfs_quota_us", "5000")):
                if (group / name).exists() and os.access(group / name, os.W_OK):
                    (group / name).write_text(quota)
                    yield group
                    group.rmdir()
                    return
            group.rmdir()
    pytest.skip("no control group with a quota can be made here")


_BUSY = """
import json, sys, time
from imnet_data.machine import limits
from imnet_data.bench.machine import Watch, facts

open(sys.argv[1] + "/cgroup.procs", "w").write("0")
watch = Watch()
end = time.monotonic() + 0.5
while time.monotonic() < end:
    pass
throttling = watch.throttling()
print(json.dumps([limits.cpu_cores(), limits.cores(), facts()["cpu_quota"], throttling,
    limits.cpu_seconds()]))
"""


def test_a_quota_of_the_kernel_is_read_and_its_stops_are_counted(narrow_group):
    program = [sys.executable, "-c", _BUSY, str(narrow_group)]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    cores, whole, quota, (periods, throttled, seconds), cpu_seconds = json.loads(said)
    assert (cores, whole, quota) == (0.05, 1, 0.05)
    assert 0 < throttled <= periods
    assert seconds > 0
    # None where version 1 counts the time in a group that is mounted apart
    assert cpu_seconds is None or cpu_seconds > 0
