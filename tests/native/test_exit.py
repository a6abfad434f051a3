"""Python exits in peace while daemon threads are inside native code."""

import subprocess
import sys
from pathlib import Path

import pytest

from imnet_data.native import _native

BINDINGS = Path(__file__).parents[2] / "imnet_data" / "native" / "bind"
PROGRAM = """
import io, sys, threading, time
import numpy as np
from PIL import Image
import imnet_data
from imnet_data import jpeg
from imnet_data.native import _native

file = io.BytesIO()
noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3), np.uint8)
Image.fromarray(noise).save(file, "JPEG")
published = file.getvalue()
stored = jpeg.seekable(published)
batch = np.zeros((8, 224, 224, 3), np.uint8)
made = np.empty(4 * batch.size, np.uint8)
numbers = _native.Normalization((0.5,) * 3, (0.5,) * 3, "float32", True)
image, small = noise, np.empty((224, 224, 3), np.uint8)

def load():
    loader = _native.BatchLoader(1)
    row = [800, 600, 0, 0, 800, 600, 224, 224, 0, 0, 224, 224, 0, 0, 0, 0]
    rows = np.array([row] * 8, np.int32)
    while True:
        loader.wait(loader.submit_buffers([batch], rows, False, None, [published] * 8))
        loader.cancel(loader.submit_buffers([batch], rows, False, None, [published] * 8))

def iterate():
    recipe = imnet_data.TrainRecipe(size=32)
    with imnet_data.open_loader(sys.argv[2], recipe, batch_size=8, seed=0) as loader:
        for number in range(1_000_000):
            for batch in loader.epoch(number):
                pass

CALLS = {
    "decode": lambda: jpeg.decode(published),
    "seekable": lambda: jpeg.seekable(published),
    "restore": lambda: jpeg.restore(stored),
    "crop": lambda: jpeg.crop(stored, (8, 8, 500, 500)),
    "sha256": lambda: _native.sha256_beside([published], _native.Sha256(), [published]),
    "normalize": lambda: numbers.normalize(batch, made),
    "resize": lambda: _native.resize(image, small, (224, 224), (0, 0, 800, 600),
                                     (0, 0, 224, 224), False, False),
    "load": load,
    "iterate": iterate,
}
call = CALLS[sys.argv[1]]
begun = threading.Event()

def work():
    while True:
        begun.set()
        call()

sys.setswitchinterval(1e-6)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
begun.wait()
time.sleep(0.1)
print("exits", flush=True)
"""


def exit_with(call: str, *arguments: str) -> tuple[int, str, str]:
    """Run the program; return its exit status, stdout and stderr."""
    command = [sys.executable, "-c", PROGRAM, call, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "call", ["decode", "seekable", "restore", "crop", "sha256", "normalize", "resize", "load"]
)
def test_python_exits_while_daemon_threads_are_in_native_code(call: str) -> None:
    if call == "sha256" and not _native.has_sha256_instructions():
        pytest.skip("this machine has no SHA instructions")
    assert exit_with(call) == (0, "exits\n", "")


def test_python_exits_while_daemon_threads_iterate_loaders(made: dict[str, Path]) -> None:
    assert exit_with("iterate", str(made["webdataset"])) == (0, "exits\n", "")


def test_every_binding_releases_the_gil_by_the_class_that_survives_the_exit() -> None:
    sources = {path.name: path.read_text() for path in BINDINGS.glob("*.cpp")}
    assert sources["jpeg.cpp"].count("Unlocked unlocked")
    assert not [name for name, text in sources.items() if "gil_scoped_release" in text]
