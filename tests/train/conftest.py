"""A dataset of 92 images, and a run on it that nobody stopped."""

import importlib.util

import pytest

from imnet_data.conversion.convert import convert
from imnet_data.synth import synth

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]


@pytest.fixture(autouse=True)
def _one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("train")
    synth(
        root / "tarballs",
        class_count=4,
        images_per_class=16,
        val_per_class=7,
        test_count=1,
        mean_nbytes=3000,
    )
    convert([root / "tarballs"], root / "dataset", format="webdataset", workers=1)
    return root / "dataset"


@pytest.fixture(scope="session")
def never_killed(dataset, tmp_path_factory):
    """The folder of a run of TINY from start to end."""
    import torch
    from training_kit import EXECUTION, TINY

    from imnet_data.train import loop

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "never-killed"
    loop.train(dataset, out, TINY, execution=EXECUTION)
    return out
