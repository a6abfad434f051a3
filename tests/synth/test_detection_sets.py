import hashlib
import tarfile

import pytest
from detection_kit import LAYOUTS

from imnet_data.errors import OutputError
from imnet_data.synth.detection import synth_detection


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.mark.parametrize(("task", "layout"), LAYOUTS)
def test_the_same_seed_gives_the_same_bytes(tmp_path, task, layout):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synth_detection(tmp_path / name, task, layout=layout, seed=seed)
    first, second, third = (contents(tmp_path / name) for name in "abc")
    assert first
    assert first == second != third


def test_the_archive_has_the_files_of_the_tree(tmp_path):
    synth_detection(tmp_path, "det", layout="archive")
    synth_detection(tmp_path, "det", layout="tree")
    with tarfile.open(tmp_path / "ILSVRC2017_DET.tar.gz") as tar:
        packed = {member.name for member in tar if member.isfile()}
    assert packed == {f"ILSVRC/{name}" for name in contents(tmp_path / "ILSVRC")}


def test_nothing_that_is_there_is_replaced(tmp_path):
    (tmp_path / "ILSVRC2015_VID.tar.gz").write_bytes(b"the official one")
    (tmp_path / "ILSVRC2015").mkdir()
    for layout in ("archive", "tree"):
        with pytest.raises(OutputError, match="choose another folder"):
            synth_detection(tmp_path, "vid", layout=layout)
    assert (tmp_path / "ILSVRC2015_VID.tar.gz").read_bytes() == b"the official one"


def test_a_layout_that_a_set_never_had_is_refused(tmp_path):
    with pytest.raises(ValueError, match="layout is '2014'; allowed are archive, tree"):
        synth_detection(tmp_path, "vid", layout="2014")
    assert not list(tmp_path.iterdir())
