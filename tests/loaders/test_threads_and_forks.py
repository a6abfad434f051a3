"""A loader in several threads, and in a forked child."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imnet_data
from imnet_data.dataset.opened import Dataset
from imnet_data.loaders.buffers import Buffers

FORKING = """
import os, sys
import imnet_data

loader = imnet_data.open_loader(sys.argv[1], imnet_data.TrainRecipe(size=32), batch_size=8, seed=0)
batches = loader.epoch(0)
next(batches)
child = os.fork()
if not child:
    if sys.argv[2] == "close":
        batches.close()
        loader.close()
        loader.close()
    del batches, loader
    sys.exit(3)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), sum(1 for _ in batches))
"""


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_no_two_threads_are_given_the_same_buffer() -> None:
    buffers = Buffers()
    shared: list[Any] = []

    def take(number: int) -> None:
        held = []
        for _ in range(10_000):  # without the lock, some ten are shared
            held.append(buffers.take((4,)))
            held[-1][:] = number
            shared.extend(number for array in held if (array != number).any())
            if len(held) == 4:
                held.clear()

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not shared


@pytest.mark.usefixtures("hasty")
def test_threads_that_share_a_loader_get_the_pixels_of_one(made: dict[str, Path]) -> None:
    recipe = imnet_data.TrainRecipe(size=32)
    with imnet_data.open_loader(made["lmdb"], recipe, batch_size=8, seed=0) as loader:
        wanted = [batch.images.copy() for batch in loader.epoch(0)]
        wrong = []

        def iterate() -> None:
            for _ in range(3):
                for batch, images in zip(loader.epoch(0), wanted, strict=True):
                    wrong.append(not np.array_equal(batch.images, images))

        threads = [threading.Thread(target=iterate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(wrong) == 4 * 3 * len(wanted)
    assert not any(wrong)


@pytest.mark.parametrize("ending", ["close", "drop"])
def test_a_loader_ends_quietly_in_a_forked_child(made: dict[str, Path], ending: str) -> None:
    words = [sys.executable, "-c", FORKING, str(made["lmdb"]), ending]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 17\n", "")


def test_a_closed_dataset_refuses_to_read(dataset_root: Path) -> None:
    dataset = Dataset.open(dataset_root, "train")
    assert dataset[0].jpeg
    dataset.close()
    with pytest.raises(ValueError, match="the dataset was closed; open it again"):
        dataset[0]
    with pytest.raises(ValueError, match="the dataset was closed; open it again"):
        dataset.entries()
