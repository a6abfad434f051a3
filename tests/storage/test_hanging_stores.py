"""Commands that are ended while a store does not answer leave nothing for good."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import store_kit

IMNET_DATA = [sys.executable, "-m", "imnet_data"]
TAR = "ILSVRC2012_img_val.tar"

Ended = Callable[[str, str, str, signal.Signals], tuple[int, str]]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def ended(
    made: dict[str, Path],
    tarballs: Path,
    in_store: dict[str, str],
    store_folder: Path,
    front: store_kit.Front,
    tmp_path: Path,
) -> Ended:
    """End a command that waits for the answer to a request; return its status and stderr."""
    there = store_folder / store_kit.BUCKET / tmp_path.name
    there.mkdir()
    (there / TAR).hardlink_to(tarballs / TAR)
    url = f"s3://{store_kit.BUCKET}/{tmp_path.name}"

    def end(words: str, method: str, path: str, how: signal.Signals) -> tuple[int, str]:
        given = words.format(
            made=made["webdataset"],
            stored=in_store["webdataset"],
            tarballs=tarballs,
            tar=f"{url}/{TAR}",
            url=f"{url}/out",
            out=tmp_path / "out",
        )
        front.fault = fault = store_kit.NoAnswer(method, path)
        process = subprocess.Popen(
            [*IMNET_DATA, *given.split()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert fault.asked.wait(60)
            assert process.poll() is None, "it has ended by itself"
            os.killpg(process.pid, how)  # as a terminal does it
            said = process.communicate(timeout=30)[1]
        finally:
            fault.end()
            process.kill()
        return process.returncode, said

    return end


@pytest.mark.parametrize(
    ("words", "method", "path"),
    [
        ("copy {made} {url}", "PUT", ".tar"),
        ("copy {stored} {out}", "GET", ".tar"),
        ("verify {stored}", "GET", ".tar"),
        ("verify {tar}", "GET", ".tar"),
        ("inspect {stored}", "GET", "dataset.json"),
        ("convert {stored} {out}", "GET", ".tar"),
        ("convert {tar} {out} --split val", "GET", ".tar"),
        ("convert {tarballs} {url}", "PUT", ".tar"),
    ],
)
def test_ctrl_c_ends_a_command(
    ended: Ended, temporary: Path, words: str, method: str, path: str
) -> None:
    status, said = ended(words, method, path, signal.SIGINT)
    assert status == 130, said
    assert said.splitlines()[-1].startswith("stopped"), said
    assert not [*temporary.iterdir()]


@pytest.mark.parametrize(
    "words", ["copy {stored} {out}", "verify {stored}", "convert {stored} {out}"]
)
def test_what_a_killed_command_has_left_is_removed_by_the_next(
    ended: Ended, temporary: Path, in_store: dict[str, str], words: str
) -> None:
    assert ended(words, "GET", ".tar", signal.SIGKILL)[0] == -signal.SIGKILL
    (left,) = temporary.iterdir()
    assert left.is_dir()
    subprocess.run(
        [*IMNET_DATA, "inspect", in_store["webdataset"]], check=True, stdout=subprocess.DEVNULL
    )
    assert not [*temporary.iterdir()]
