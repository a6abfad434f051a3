"""Commands whose workers pause in the middle of their first shard, until the test goes on."""

import subprocess
import sys
import time
from pathlib import Path

# a worker stops before it publishes a shard, and goes on when it is asked to end, if not before
_PAUSING = """
import multiprocessing, os, signal, sys
from imnet_data.cli import main
from imnet_data.machine.pool import Counter

command, stop, is_over = os.getpid(), Counter.stop, False

def pause(event, arguments):
    global is_over
    if event == "os.rename" and str(arguments[1]).endswith(".json"):
        if os.getpid() != command and not is_over:
            is_over = True
            os.kill(os.getpid(), signal.SIGSTOP)

def stop_and_go_on(counter):
    stop(counter)
    for worker in multiprocessing.active_children():
        os.kill(worker.pid, signal.SIGCONT)

sys.addaudithook(pause)
Counter.stop = stop_and_go_on
main()
"""


def started(words: list[str], workers: int) -> tuple["subprocess.Popen[str]", list[int]]:
    """Start a command of imnet-data; return it, and its workers, when all of them pause."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PAUSING, *words[3:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the command ended before its workers did anything"
        found = [int(pid) for pid in children.read_text().split()]
        if sum(state(pid) == "T" for pid in found) == workers:
            return process, found
        assert time.monotonic() < deadline, "the workers do nothing"
        time.sleep(0.01)


def state(pid: int) -> str:
    """Return the state of a process: T if it is stopped, "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
