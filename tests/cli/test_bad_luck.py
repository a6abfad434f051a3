"""Bad luck is one line and exit status 1, with nothing half done."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Description
from imnet_data.errors import ConvertError

PROGRAM = f'"{sys.executable}" -m imnet_data'


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in which `imnet-data` is the command, in a folder."""
    words = ["bash", "-c", line.replace("imnet-data", PROGRAM)]
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def assert_one_line(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert text in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.fixture
def root(made: dict[str, Path], tmp_path: Path) -> Path:
    """A folder with a dataset called `d`, to be damaged."""
    subprocess.run(["cp", "-r", made["lmdb"], tmp_path / "d"], check=True)
    return tmp_path


@pytest.mark.parametrize("file", ["dataset.json", "SHA256SUMS", "train/index.npy"])
@pytest.mark.parametrize("kind", ["mkfifo {}", "mkdir {}", "ln -s {} {}", "ln -s /dev/zero {}"])
def test_a_file_that_is_no_plain_file_is_neither_waited_for_nor_read(
    root: Path, file: str, kind: str
) -> None:
    path = f"d/{file}"
    line = f"rm {path} && {kind.format(path, path)} && imnet-data verify d"
    done = shell(line, root)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert Path(file).name in (done.stdout + done.stderr) or "not a dataset" in done.stderr


@pytest.mark.parametrize("file", ["train/manifest.jsonl.zst", "train/train-000000.mdb"])
def test_pipes_in_place_of_manifest_and_shard_are_differences(root: Path, file: str) -> None:
    done = shell(f"rm d/{file} && mkfifo d/{file} && imnet-data verify d", root)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"d/{file}" in done.stdout
    assert "not a plain file" in done.stdout


def test_a_file_in_place_of_a_split_is_one_line(root: Path) -> None:
    done = shell("rm -r d/train && touch d/train && imnet-data inspect d", root)
    assert_one_line(done, "d/train")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ln -s out out; imnet-data convert d out", "out: cannot be written"),
        ("ln -s page page; imnet-data inspect d --html page", "page: cannot be written"),
        ("touch file; imnet-data convert d file/out", "file/out: cannot be written"),
        ("imnet-data inspect d >&-", "standard output is closed"),
        ("imnet-data inspect d >/dev/full", "No space left on device"),
        ("imnet-data inspect d --html /dev/full", "/dev/full: cannot be written"),
        (
            "mkdir gone; cd gone; rmdir ../gone; PYTHONSAFEPATH=1 imnet-data convert ../d out",
            "",
        ),
    ],
)
def test_bad_luck_is_one_line(root: Path, line: str, text: str) -> None:
    before = sorted(path.name for path in root.iterdir() if path.name != "d")
    assert_one_line(shell(line, root), text)
    left = {path.name for path in root.iterdir() if path.name != "d"}
    assert left - set(before) <= {"out", "page", "file"}
    assert not (root / "out").is_dir()


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_work_does_not_need_stderr(root: Path, stream: str) -> None:
    done = shell(f"imnet-data convert d out --format folder {stream}", root)
    assert (done.returncode, done.stderr) == (0, "")
    assert shell("imnet-data verify out", root).stdout == "out: sound\n"


def test_a_reader_that_has_seen_enough_is_no_error(root: Path) -> None:
    done = shell("imnet-data inspect d --json | true; exit ${PIPESTATUS[0]}", root)
    assert done.returncode in (0, 1)  # 0 where the pipe took it all before its reader ended
    assert done.stderr == ""


HANGING = """
import os, signal, sys, time
from imnet_data.machine import pool

pool._STOP_SECONDS = float(sys.argv[1])

def hang(job):
    while True:
        time.sleep(60)

def interrupt():
    if not asked:
        asked.append(1)
        print(os.getpid(), flush=True)

asked = []
counter = pool.Counter()
try:
    list(pool.run(hang, range(2), workers=2, counter=counter, poll=interrupt))
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize(("seconds", "signals"), [(0.5, 1), (600, 2)])
def test_ctrl_c_gets_out_even_when_workers_hang(seconds: float, signals: int) -> None:
    words = [sys.executable, "-c", HANGING, str(seconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert int(run.stdout.readline()) == run.pid
        for _ in range(signals):
            run.send_signal(signal.SIGINT)
            time.sleep(0.5)
        try:
            out, err = run.communicate(timeout=30)
        finally:
            run.kill()
    assert (run.returncode, out, err) == (0, "stopped\n", "")


def test_two_threads_cannot_convert_into_the_same_folder(tarballs: Path, tmp_path: Path) -> None:
    outcomes: list[Description | ConvertError] = []

    def work() -> None:
        try:
            outcomes.append(convert([tarballs], tmp_path / "out", workers=1))
        except ConvertError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [outcome for outcome in outcomes if isinstance(outcome, ConvertError)]
    assert len(refused) == 1
    assert "another conversion is writing there" in str(refused[0])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (tmp_path / "out" / ".part").exists()
