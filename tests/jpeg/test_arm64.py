"""The native code for arm64, cross-compiled and run under an emulator, against this machine's."""

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from baseline import random_jpeg
from jpeg_images import encoded, photo
from test_decode import random_kind

from imnet_data import jpeg
from imnet_data.transforms import resize

TREE = Path(__file__).parents[2]
COMPILER, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
SIZES = [(1, 1), (3, 50), (64, 5), (97, 61), (224, 224)]  # as in native_check/pixels.cpp


def corpus():
    """JPEGs of every sampling, and sizes at which vectors have a rest."""
    files = [random_jpeg(random_kind(rng), rng) for rng in map(random.Random, range(150))]
    for seed in range(40):
        image = photo(1 + 7 * seed, 1 + 5 * seed, seed=seed, mode="L" if seed % 5 == 0 else "RGB")
        files.append(encoded(image, subsampling=seed % 3, quality=1 + 5 * seed % 100))
    return files + [jpeg.seekable(data, target_width=16) for data in files[-20:]]


def pixels_here(data):
    image = jpeg.decode(data)
    yield image
    height, width, _ = image.shape
    yield jpeg.decode(data, (width // 4, height // 3, width - width // 5, height - height // 6))
    for size in SIZES:
        yield resize(image, size, filter="bilinear")
        yield resize(image, size, filter="bicubic", flip=True)


def built(compiler, folder):
    """The program of native_check, compiled for where it is emulated."""
    native, path = TREE / "imnet_data" / "native", folder / "pixels"
    subjects = [native / name for name in ("jpeg", "resize", "cpu")]
    kernels = [source for subject in subjects for source in subject.rglob("*.cpp")]
    sources = [*kernels, TREE / "tests" / "native_check" / "pixels.cpp"]
    options = ["-std=c++17", "-O2", "-ffp-contract=off", "-static", "-I", native, "-o", path]
    subprocess.run([compiler, *options, *sources], check=True)
    return path


def same_pixels(emulator, program, variant, folder):
    """Whether a variant of the program, run by an emulator, gives the pixels of this machine."""
    files = corpus()
    paths = [folder / f"{number:03d}.jpg" for number in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    subprocess.run([*emulator, program, variant, folder / "pixels", *paths], check=True)
    expected = np.concatenate([image.ravel() for data in files for image in pixels_here(data)])
    return np.array_equal(np.fromfile(folder / "pixels", np.uint8), expected)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    if COMPILER is None or EMULATOR is None:
        pytest.skip("needs aarch64-linux-gnu-g++ and qemu-aarch64")
    return built(COMPILER, tmp_path_factory.mktemp("arm64"))


@pytest.mark.slow
@pytest.mark.parametrize("arm64_variant", ["scalar", "neon"])
def test_arm64_decodes_and_resizes_to_the_same_pixels(program, arm64_variant, tmp_path):
    assert same_pixels([EMULATOR], program, arm64_variant, tmp_path)
