import pytest

from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.synth import synth


@pytest.fixture(scope="session")
def tarballs(tmp_path_factory):
    root = tmp_path_factory.mktemp("bench") / "tarballs"
    synth(root, class_count=3, images_per_class=8, val_per_class=1, test_count=1, mean_nbytes=4_000)
    return root


@pytest.fixture(scope="session")
def root(tarballs):
    """24 records of train."""
    convert([tarballs], tarballs.parent / "webdataset", split="train", workers=1)
    return tarballs.parent / "webdataset"


@pytest.fixture(scope="session")
def other_roots(tarballs):
    """The same records as a folder of original JPEGs, and as pixels."""
    parent = tarballs.parent
    convert([tarballs], parent / "folder", format="folder", split="train", workers=1)
    options = Options(raw=1.0)
    convert([tarballs], parent / "raw", format="beton", split="train", options=options, workers=1)
    return [parent / "folder", parent / "raw"]
