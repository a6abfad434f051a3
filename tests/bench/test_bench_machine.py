import mmap
import time
from pathlib import Path

import pytest

from imnet_data.bench import machine
from imnet_data.bench.machine import Others, Times, Watch
from imnet_data.machine.limits import Throttling
from imnet_data.native import _native


def test_others_are_all_less_our_own():
    before = Times(all=100.0, stolen=5.0, own=10.0)
    after = Times(all=116.0, stolen=5.5, own=20.0)
    assert machine.others(before, after, seconds=10) == Others(used=0.6, stolen=0.05)


def test_rounding_of_ticks_never_makes_others_negative():
    assert machine.others(Times(1, 0, 0), Times(1, 0, 0.004), seconds=1) == Others(0, 0)


@pytest.mark.parametrize(
    ("used", "stolen", "load", "words"),
    [
        (0.0, 0.0, 0.3, []),
        (0.39, 0.15, 3.9, []),
        (0.41, 0.0, 0.0, ["busy machine: other processes used 0.4 of 8 cores meanwhile"]),
        (6.0, 0.0, 9.0, ["busy machine: other processes used 6.0 of 8 cores meanwhile"]),
        (0.0, 0.0, 4.5, ["load average was 4.5 on 8 cores"]),
        (0.0, 0.2, 0.0, ["its host took 0.20 of 8 cores"]),
        (1.0, 1.0, 0.0, ["busy machine", "its host took"]),
    ],
)
def test_a_busy_machine_is_told(used, stolen, load, words):
    told = machine.complaints(Others(used, stolen), load=load, cores=8)
    assert len(told) == len(words)
    assert all(word in line for word, line in zip(words, told, strict=True))


def test_a_quota_that_was_used_up_is_told_and_others_are_held_against_it():
    used_up, unused = Throttling(periods=400, throttled=310, seconds=9.0), Throttling(9, 0, 0.0)
    told = machine.complaints(Others(0.1, 0), load=None, cores=1.5, throttling=used_up)
    assert len(told) == 2
    assert "the quota of 1.5 cores was used up in 310 of 400 periods" in told[0]
    assert "other processes used 0.1 of 1.5 cores" in told[1]
    assert machine.complaints(Others(0, 0), load=None, cores=1.5, throttling=unused) == []


def test_a_machine_that_does_not_tell_is_not_called_idle():
    (told,) = machine.complaints(None, load=0, cores=8)
    assert "not known" in told


def test_a_watch_sees_our_own_work_as_ours_and_memory_that_is_touched():
    watch = Watch()
    held = mmap.mmap(-1, 30_000_000)  # never memory that was used before, and is still there
    held[::4096] = b"x" * len(held[::4096])
    sum(range(2_000_000))
    peak = watch.peak_nbytes()
    assert peak is None or peak >= 29_000_000
    now = machine.cpu_times()
    assert now is not None
    assert now.all >= now.own > 0


def thread_names():
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


def test_threads_that_read_ahead_are_not_said_to_wait_for_a_core():
    before = set(machine._queued_seconds() or {})
    if not before:
        pytest.skip("this kernel does not say how long a thread waits for a core")
    ahead = _native.ReadAhead(1 << 20, 5)
    try:
        end = time.monotonic() + 20  # a thread names itself when it begins
        while (count := thread_names().count("read-ahead")) < 5 and time.monotonic() < end:
            time.sleep(0.005)
        assert count == 5
        assert set(machine._queued_seconds() or {}) <= before
    finally:
        ahead.close()


def test_facts_say_what_it_takes_to_repeat(tmp_path):
    facts = machine.facts()
    assert facts["cpu"]
    assert 1 <= facts["cores_allowed"] <= facts["cores"]
    assert facts["memory_nbytes"] > 1e8
    assert {"governor", "gpu", "simd", "system"} <= set(facts)
    assert {"python", "numpy", "pillow"} <= set(machine.versions())
    storage = machine.storage(tmp_path)
    assert storage is None or " on " in storage
