"""Tarballs, and a dataset of each format made from them."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imnet_data import formats
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.synth import synth

# some twenty shards of train, so that there is something to stop, spread and repair
SHARDS = Options(shard_nbytes=64_000)


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
def command() -> Callable[..., list[str]]:
    """Give the words of a `convert` command that makes what `made` has."""

    def words(source: Path | str, out: Path | str, name: str, *more: str) -> list[str]:
        layout = ["--format", name]
        if name == "caffe":
            layout = ["--format", "lmdb", "--lmdb-layout", "caffe"]
        begin = [sys.executable, "-m", "imnet_data", "convert", str(source), str(out)]
        return [*begin, *layout, "--shard-size", "64000", *more]

    return words
