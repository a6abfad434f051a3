"""A format that lives outside the package is converted to, verified, repaired and loaded."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

import imnet_data
from imnet_data import EvalRecipe, Options, TrainRecipe, formats
from imnet_data.errors import ManifestError
from imnet_data.verification.readers import READERS, Reader

# one file for each record, as our own folder has it, and otherwise not like it
_FLAT = """
import numpy as np

from imnet_data.errors import FormatError
from imnet_data.formats import Stored

EXTENTS = False
ONE_SHARD = True
LABELS = False
PIXELS = False
PACKED = False
SEEKABLE = True
SIDE_SUFFIXES = ()
READERS = ("flat files",)

def record_file(wnid, key):
    return f"{key}={wnid}.jpg"

def shard_name(split, index, count):
    return f"{split}.flat"

def write(out, samples):
    out.path.mkdir()
    offsets = []
    for sample in samples:
        record = sample.record
        (out.path / record_file(record.wnid, record.key)).write_bytes(record.jpeg)
        offsets.append(0)
    return np.array(offsets, np.int64)

class Flat:
    def __init__(self, path):
        self.path = path

    def read(self, place):
        file = self.path / record_file(place.wnid, place.key)
        try:
            image = file.read_bytes()
        except OSError as error:
            raise FormatError(f"{file}: {error.strerror}") from error
        if len(image) != place.nbytes:
            raise FormatError(f"{file}: has {len(image)} bytes, not {place.nbytes}")
        return image

    def walk(self, seen):
        for file in sorted(self.path.glob("*.jpg")):
            key, _, wnid = file.stem.partition("=")
            yield Stored(key, wnid, None, 0, file.read_bytes())

    def close(self):
        pass

open = Flat

def split_side_files(split, shards):
    return {"count.txt": b"%d" % sum(shard.record_count for shard in shards)}
"""

_READER = """
from imnet_data.verification.readers import Returned

def read(split):
    for shard in split.shards:
        for file in sorted(shard.glob("*.jpg")):
            key, _, _ = file.stem.partition("=")
            yield Returned(key, None, file.read_bytes())
"""


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "flat_format.py").write_text(_FLAT)
    (tmp_path / "modules" / "flat_files.py").write_text(_READER)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setitem(formats.FORMATS, "flat", "flat_format")
    reader = Reader("flat files", "flat_files", imports="pathlib", install="python itself")
    monkeypatch.setitem(READERS, "flat files", reader)
    return "flat"


def test_a_format_outside_the_package_goes_the_whole_way(
    flat: str, tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "flat"
    about = imnet_data.convert(tarballs, root, format=flat, workers=2)
    assert about.options.jpeg is None
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=root, check=True)
    assert imnet_data.verify(root, decode=True, workers=2) == []
    assert imnet_data.compare(root, made["webdataset"]) == []
    recipes = (TrainRecipe(size=32), EvalRecipe(resize=36, crop=32))
    for recipe in recipes:
        with (
            imnet_data.open_loader(root, recipe, batch_size=8) as here,
            imnet_data.open_loader(made["webdataset"], recipe, batch_size=8) as there,
        ):
            assert len(here) > 1
            for mine, other in zip(here.epoch(1), there.epoch(1), strict=True):
                assert np.array_equal(mine.images, other.images)
                assert np.array_equal(mine.labels, other.labels)


def test_it_names_the_library_that_reads_it_back(flat: str, tarballs: Path, tmp_path: Path) -> None:
    root = tmp_path / "flat"
    about = imnet_data.convert(tarballs, root, format=flat, workers=2)
    count = sum(split.record_count for split in about.splits.values())
    (result,) = imnet_data.read_back(root, workers=2)
    line = f"flat files: {count} of {count} records match (labels are not exposed)"
    assert (str(result), count > 100) == (line, True)
    min((root / "train").glob("*.jpg")).unlink()
    (result,) = imnet_data.read_back(root, workers=2)
    assert (result.match_count, result.difference_count) == (count - 1, 1)


def test_a_reader_that_no_row_describes_is_named(
    flat: str, tarballs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imnet_data.convert(tarballs, tmp_path / "flat", format=flat, options=Options(limit=3))
    monkeypatch.delitem(READERS, "flat files")
    with pytest.raises(ValueError, match="reader of flat is 'flat files'; allowed are webdataset"):
        imnet_data.read_back(tmp_path / "flat")


def test_damage_to_it_is_named_by_file_and_repaired(
    flat: str, tarballs: Path, tmp_path: Path
) -> None:
    root = tmp_path / "flat"
    imnet_data.convert(tarballs, root, format=flat, workers=2)
    first, second, *_ = sorted((root / "train").glob("*.jpg"))
    sound = {path: path.read_bytes() for path in (first, second)}
    first.unlink()
    second.write_bytes(bytes([*sound[second][:-3], 0, *sound[second][-2:]]))
    (root / "train" / "count.txt").unlink()
    found = imnet_data.verify(root, workers=2)
    names = {f"train/{path.name}" for path in sound}
    assert {difference.file for difference in found} == {*names, "train/count.txt"}
    assert imnet_data.repair(root, [tarballs], found, workers=2) == sorted(
        {*names, "train/count.txt"}
    )
    assert {path: path.read_bytes() for path in sound} == sound
    assert imnet_data.verify(root, workers=2) == []


@pytest.mark.parametrize("name", ["flat", "folder", "webdataset"])
def test_the_format_of_a_dataset_is_found_by_its_files_if_its_description_is_damaged(
    name: str, flat: str, tarballs: Path, tmp_path: Path
) -> None:
    root = tmp_path / flat
    imnet_data.convert(tarballs, root, format=name, options=Options(limit=9))
    path = root / "dataset.json"
    sound = path.read_bytes()
    damaged = sound.replace(b' "format": ', b' "farmot": ')
    assert damaged != sound
    path.write_bytes(damaged)
    found = [imnet_data.Difference("dataset.json", "is damaged")]
    assert imnet_data.repair(root, [tarballs], found, workers=2) == ["dataset.json"]
    assert path.read_bytes() == sound


def test_a_dataset_of_a_format_that_is_not_known_here_says_so(
    flat: str, tarballs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imnet_data.convert(tarballs, tmp_path / "flat", format=flat, options=Options(limit=3))
    monkeypatch.delitem(formats.FORMATS, flat)
    with pytest.raises(ManifestError, match=r"format 'flat', this program knows webdataset, lmdb"):
        imnet_data.Dataset.open(tmp_path / "flat")


def test_an_unknown_format_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="format is 'zip'; allowed are webdataset, lmdb"):
        imnet_data.convert(tmp_path / "nowhere", tmp_path / "out", format="zip")
    assert not (tmp_path / "out").exists()
