"""What bench does with paths, signals and folders that are not its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from bench_kit import report
from click.testing import CliRunner

from imnet_data.cli import bench, main
from imnet_data.errors import OutputError
from imnet_data.machine.progress import Step, no_progress

TINY = ["--seconds", "0.01", "--repeats", "2", "--batch-size", "8", "--size", "32"]
TINY += ["--threads", "1"]


def invoke(*arguments):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)])


def started(*arguments, **options):
    command = [sys.executable, "-m", "imnet_data", "bench", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize("option", ["--json", "--html"])
@pytest.mark.parametrize("where", ["missing/a.out", "file/a.out"])
def test_a_path_that_cannot_be_written_is_refused_before_anything_is_measured(
    root, tmp_path, option, where
):
    (tmp_path / "file").write_text("no folder")
    # an hour's work: the refusal comes before it
    result = invoke(root, "--seconds", "600", "--batch-size", "8", option, tmp_path / where)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path / where}: cannot be written (")
    assert "make the folder, or choose another" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_table_is_printed_before_files_are_written(tmp_path, capsys):
    with pytest.raises(OutputError, match="cannot be written"):
        bench._report(report(), tmp_path / "gone" / "a.json", None, overwrite=False)
    assert "batches (cpu)" in capsys.readouterr().out


def wait_for(is_so):
    until = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < until, "nothing happened that could be interrupted"
        time.sleep(0.02)


def made(folder):
    return list(folder.glob(".bench-*/*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_and_removes_what_it_has_made(root, tmp_path, number):
    with started(root, *TINY, "--repeats", "9999", "--format", "lmdb", "--work", tmp_path) as one:
        wait_for(lambda: made(tmp_path))
        one.send_signal(number)
        try:
            _, stderr = one.communicate(timeout=120)
        finally:
            one.kill()
    assert one.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []
    assert "resume" not in stderr


def test_a_parent_that_takes_no_files_sends_other_formats_to_tmpdir(root, tmp_path):
    # a dataset whose parent folder is /proc/self, which takes no files even of root
    arguments = ["/proc/self/cwd", *TINY, "--format", "lmdb"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with started(*arguments, cwd=root, env=environ) as one:
        stdout, stderr = one.communicate(timeout=300)
    assert one.returncode == 0, stderr
    assert f"other formats are made in {tmp_path}/.bench-" in stderr
    assert "lmdb: " in stdout
    assert list(tmp_path.iterdir()) == []


def test_a_work_folder_that_takes_no_files_is_an_error_of_one_line(root):
    result = invoke(root, *TINY, "--format", "lmdb", "--work", "/proc/self")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: /proc/self: takes no datasets (")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_whose_exception_is_lost_ends_the_command_at_the_next_step(number):
    handler = signal.getsignal(number)
    ended = (SystemExit, KeyboardInterrupt)
    with bench._ended_by_signals(no_progress) as progress:
        with contextlib.suppress(*ended):
            os.kill(os.getpid(), number)
        with pytest.raises(ended):
            progress(Step("measure", 0, 1))
    assert signal.getsignal(number) == handler
