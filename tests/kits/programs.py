"""The C++ programs of tests/native, kernels.cpp and pixels.cpp, with the native code in them."""

import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from baseline import random_jpeg, random_kind
from jpeg_images import encoded, photo

from imnet_data import jpeg
from imnet_data.transforms import resize

FOLDER = Path(__file__).parents[1] / "native"
NATIVE = FOLDER.parents[1] / "imnet_data" / "native"
OPTIONS = ["-std=c++17", "-O3", "-ffp-contract=off", "-static", f"-I{NATIVE}"]
SIZES = [(1, 1), (3, 50), (64, 5), (97, 61), (224, 224)]  # as in pixels.cpp


def compiled(compiler: str, folder: Path) -> Path:
    """Compile the programs into a folder; return it."""
    sources = [path for path in NATIVE.rglob("*.cpp") if path.parent.name not in {"bind", "loader"}]
    subprocess.run([compiler, *OPTIONS, "-c", *sources], cwd=folder, check=True)
    objects = list(folder.glob("*.o"))
    for name in ("kernels", "pixels"):
        own = sorted(FOLDER.glob(f"{name}*.cpp"))
        subprocess.run([compiler, *OPTIONS, *own, *objects, "-o", folder / name], check=True)
    return folder


class Programs:
    """The programs that are compiled in a folder, run by this machine or by an emulator."""

    def __init__(self, folder: Path, emulator: Sequence[str | Path] = ()) -> None:
        self._folder, self._emulator = folder, emulator

    def kernels(self, cases: int) -> dict[tuple[str, str], str]:
        """Return what the check says of each kernel and variant: ok, scalar or differs."""
        command = [*self._emulator, self._folder / "kernels", str(cases)]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode in {0, 1}, run.stderr
        lines = [line.split() for line in run.stdout.splitlines()]
        found = {(kernel, variant): verdict for kernel, variant, verdict, *_ in lines}
        assert run.returncode == ("differs" in found.values())
        return found

    def same_pixels(self, variant: str, folder: Path) -> bool:
        """Return whether a variant of the native code makes the pixels of this machine."""
        files = corpus()
        paths = [folder / f"{number:03d}.jpg" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        command = [*self._emulator, self._folder / "pixels", variant, folder / "pixels", *paths]
        subprocess.run(command, check=True)
        expected = np.concatenate([image.ravel() for data in files for image in pixels_here(data)])
        return np.array_equal(np.fromfile(folder / "pixels", np.uint8), expected)


def corpus() -> list[bytes]:
    """Return JPEGs of every sampling, of sizes that vectors do not divide."""
    files = [random_jpeg(random_kind(rng), rng) for rng in map(random.Random, range(150))]
    for seed in range(40):
        image = photo(1 + 7 * seed, 1 + 5 * seed, seed=seed, mode="L" if seed % 5 == 0 else "RGB")
        files.append(encoded(image, subsampling=seed % 3, quality=1 + 5 * seed % 100))
    return files + [jpeg.seekable(data, target_width=16) for data in files[-20:]]


def pixels_here(data: bytes) -> Iterator[np.ndarray]:
    """Yield what pixels.cpp writes of a JPEG."""
    image = jpeg.decode(data)
    yield image
    height, width, _ = image.shape
    yield jpeg.decode(data, (width // 4, height // 3, width - width // 5, height - height // 6))
    for size in SIZES:
        yield resize(image, size, filter="bilinear")
        yield resize(image, size, filter="bicubic", flip=True)
