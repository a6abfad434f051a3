"""Fixtures that tests share: records, tarballs, datasets, libraries that are hard to import."""

import importlib
import io
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import store_kit
from PIL import Image

from imnet_data import formats
from imnet_data.conversion.convert import convert
from imnet_data.dataset import remote
from imnet_data.dataset.description import Options
from imnet_data.imagenet import labels
from imnet_data.record import Box, Record
from imnet_data.storage import apart
from imnet_data.synth import synth

# some twenty shards of train, so that there is something to stop, spread and repair
SHARDS = Options(shard_nbytes=64_000)

_LIBRARIES: list[object] = []  # an operator is gone with its library


def _jpeg(height: int, width: int, *, seed: int, grey: bool) -> bytes:
    """Make a JPEG of noise on a gradient."""
    random = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., None]
    pixels = (ramp + random.integers(0, 60, (height, width, 3))).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling=-1 if grey else seed % 3)
    return file.getvalue()


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """Seven records (prime: no shard size divides it) of four classes, two of them with boxes."""
    wnids = labels.ilsvrc2012_wnids()
    sizes = [(48, 64), (64, 48), (7, 5), (120, 90), (33, 47), (16, 16), (300, 400)]
    return [
        Record(
            key=f"{wnids[number % 4]}_{number * 37}",
            wnid=wnids[number % 4],
            jpeg=_jpeg(height, width, seed=number, grey=number == 4),
            boxes=(Box(1, 2, 15, 12), Box(0, 0, 3, 6)) if number in {1, 5} else (),
        )
        for number, (height, width) in enumerate(sizes)
    ]


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also where its wheel was built for another torch than the one installed."""
    torch = pytest.importorskip("torch", reason="the oracle torchvision needs torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: ModuleType = pytest.importorskip("torchvision", reason="it is not installed")
            return found
        except (RuntimeError, AttributeError):
            # its C extension did not load, so operators that its Python part describes are missing
            for name in [name for name in sys.modules if name.startswith("torchvision")]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _LIBRARIES.append(library)
            return importlib.import_module("torchvision")


@pytest.fixture(scope="session")
def timm(torchvision: ModuleType) -> ModuleType:
    """timm, which imports torchvision."""
    del torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: ModuleType = pytest.importorskip("timm", reason="it is not installed")
    return found


@pytest.fixture(scope="session")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official files of a small synthetic ILSVRC2012."""
    folder = tmp_path_factory.mktemp("tarballs")
    synth(
        folder,
        class_count=4,
        images_per_class=37,
        val_per_class=5,
        test_count=7,
        mean_nbytes=3_000,
    )
    return folder


@pytest.fixture(scope="session")
def made(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One dataset a format; not to be changed."""
    root = tmp_path_factory.mktemp("made")
    for name in formats.FORMATS:
        convert([tarballs], root / name, format=name, options=SHARDS, workers=2)
    return {name: root / name for name in formats.FORMATS}


@pytest.fixture(params=sorted(formats.FORMATS))
def format_name(request: pytest.FixtureRequest) -> str:
    """Each format in turn."""
    return str(request.param)


@pytest.fixture
def dataset_root(made: dict[str, Path], format_name: str, tmp_path: Path) -> Path:
    """A dataset of each format in turn, to be damaged."""
    return Path(shutil.copytree(made[format_name], tmp_path / format_name))


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the S3 server has its bucket, each object as a file."""
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="session")
def store_port(store_folder: Path) -> Iterator[int]:
    """The port of an S3 server with an empty bucket."""
    with store_kit.s3_server(store_folder) as port:
        yield port


@pytest.fixture(scope="session")
def in_store(made: dict[str, Path], store_port: int) -> dict[str, str]:
    """The datasets of `made` in a store: their URLs; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store_kit.environment(store_port).items():
            patch.setenv(name, value)
        names = ("webdataset", "lmdb", "folder")
        for name in names:
            # in a process of its own: what reads from stores does not survive a fork, as of pytest
            url = f"s3://bucket/{name}"
            words = [sys.executable, "-m", "imnet_data", "copy", str(made[name]), url]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return {name: f"s3://bucket/{name}" for name in names}


@pytest.fixture
def front(store_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[store_kit.Front]:
    """A server in front of the store, which the environment names."""
    remote._store.cache_clear()  # those of other tests have other ports
    apart._reader.cache_clear()
    apart._opened.cache_clear()
    front = store_kit.Front(store_port)
    for name, value in store_kit.environment(front.port).items():
        monkeypatch.setenv(name, value)
    yield front
    front.close()


@pytest.fixture(scope="session")
def command() -> Callable[..., list[str]]:
    """Return the words of a `convert` command that makes what `made` has."""

    def words(source: Path | str, out: Path | str, name: str, *more: str) -> list[str]:
        layout = ["--format", name]
        if name == "caffe":
            layout = ["--format", "lmdb", "--lmdb-layout", "caffe"]
        begin = [sys.executable, "-m", "imnet_data", "convert", str(source), str(out)]
        return [*begin, *layout, "--shard-size", "64000", *more]

    return words
