"""A mapped file that shrinks ends the process with a line, and no other file is blamed."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imnet_data.machine.mapped import mapped
from imnet_data.machine.open_file import OpenFile
from imnet_data.native import _native

SHRINKING = """
import os, sys
from imnet_data.dataset.opened import Dataset

dataset = Dataset.open(sys.argv[1], "train")
os.truncate(os.path.join(sys.argv[1], "train", "index.npy"), 0)
print(dataset.labels.sum(), "was read")
"""
FOREIGN = """
import mmap, os, sys
from imnet_data.dataset.opened import Dataset

dataset = Dataset.open(sys.argv[1], "train")
with open(sys.argv[2], "wb") as file:
    file.write(bytes(10_000))
with open(sys.argv[2], "rb") as file:
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
os.truncate(sys.argv[2], 0)
print(content[5_000], "was read")
"""


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("format_name", ["lmdb"])
def test_an_index_that_shrinks_is_an_error_that_names_it(dataset_root: Path) -> None:
    done = run(SHRINKING, dataset_root)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: {dataset_root}/train/index.npy: was cut short while it was in use; "
        "replace a dataset by renaming another over it, never in place\n"
    )


def test_the_fault_of_another_mapping_is_what_it_was(made: dict[str, Path], tmp_path: Path) -> None:
    done = run(FOREIGN, made["lmdb"], tmp_path / "file")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGBUS, "", "")


def test_a_mapping_is_guarded_as_long_as_a_view_of_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)))
    view = np.frombuffer(mapped(OpenFile(path)), np.uint8)[5:]
    other = mapped(OpenFile(path))
    taken = _native.guard_mapping(other, b"")
    _native.unguard_mapping(taken)
    assert view[0] == 5
    del view, other
    free = _native.guard_mapping(b"x", b"")  # type: ignore[arg-type]  # the number of the first is free again
    _native.unguard_mapping(free)
    assert free < taken


def test_a_dataset_that_is_replaced_by_renaming_stays_readable(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["lmdb"], tmp_path / "lmdb"))
    program = SHRINKING.replace(
        'os.truncate(os.path.join(sys.argv[1], "train", "index.npy"), 0)',
        'os.rename(sys.argv[1], sys.argv[1] + ".old")',
    )
    assert run(program, root).stdout.endswith("was read\n")
