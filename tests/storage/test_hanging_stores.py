"""Ctrl-C ends what waits for a store that does not answer, and nothing is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import store_kit

TAR = "ILSVRC2012_img_val.tar"


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
def test_ctrl_c_ends_a_command_while_the_store_does_not_answer(
    made: dict[str, Path],
    tarballs: Path,
    in_store: dict[str, str],
    store_folder: Path,
    front: store_kit.Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    method: str,
    path: str,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    there = store_folder / store_kit.BUCKET / tmp_path.name
    there.mkdir()
    (there / TAR).hardlink_to(tarballs / TAR)
    url = f"s3://{store_kit.BUCKET}/{tmp_path.name}"
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
        [sys.executable, "-m", "imnet_data", *given.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert fault.asked.wait(60)
        assert process.poll() is None, "it has ended before it was stopped"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        said = process.communicate(timeout=30)[1]
    finally:
        fault.end()
        process.kill()
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("stopped"), said
    assert not [*temporary.iterdir()]
