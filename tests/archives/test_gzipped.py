"""A gzip file is read at any place, whatever it is made of; damage is one error."""

import gzip
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imnet_data.archives import gzipped, spool
from imnet_data.archives.gzipped import SeekableGzip
from imnet_data.errors import SourceError
from imnet_data.machine.progress import no_progress

NBYTES = 23_000_001  # more than five blocks


@pytest.fixture(scope="module")
def content() -> bytes:
    """Bytes that do not shrink, as JPEGs do not, and some that do."""
    noise = np.random.default_rng(1).bytes(NBYTES // 2)
    return noise + bytes(NBYTES // 4) + noise[: NBYTES - len(noise) - NBYTES // 4]


def in_one_piece(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def in_members(content: bytes) -> bytes:
    """As `pigz --independent` or `cat a.gz b.gz` write it, with zeros from a tape at the end."""
    cuts = [0, 1, 9_999_999, 10_000_000, len(content)]
    parts = [content[start:stop] for start, stop in itertools.pairwise(cuts)]
    return b"".join(gzip.compress(part, 1, mtime=0) for part in [*parts, b""]) + bytes(700)


def opened(path: Path) -> SeekableGzip:
    file = SeekableGzip(path)
    while file.read_on():
        pass
    return file


@pytest.mark.parametrize("packed", [in_one_piece, in_members])
def test_any_place_is_what_gzip_has_there(packed: Callable[[bytes], bytes], content, tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(packed(content))
    assert gzip.decompress(path.read_bytes()) == content
    file = SeekableGzip(path)
    assert b"".join(iter(file.read_on, b"")) == content
    assert file.position == len(content)
    random = np.random.default_rng(2)
    for offset in [0, len(content) - 9, *random.integers(0, len(content), 40).tolist()]:
        nbytes = int(random.integers(0, 300_000))
        assert file.pread(nbytes, offset) == content[offset : offset + nbytes]
    assert file.pread(len(content) + 5, 0) == content
    assert file.pread(5, len(content)) == b""
    file.close()


def test_what_was_passed_can_be_read_before_the_end_is_reached(content, tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(in_one_piece(content))
    file = SeekableGzip(path)
    while file.position < 9_000_000:
        file.read_on()
    assert file.pread(1000, 5_000_000) == content[5_000_000:5_001_000]
    assert file.pread(1 << 30, file.position - 7) == content[file.position - 7 : file.position]
    assert file.position <= file.expected_nbytes <= 3 * len(content)
    file.close()


def test_few_states_are_kept_of_a_large_file_and_all_of_it_is_found(content, tmp_path, monkeypatch):
    monkeypatch.setattr(gzipped, "_MOST_BLOCKS", 3)
    path = tmp_path / "a.gz"
    path.write_bytes(in_one_piece(content))
    file = opened(path)
    assert 2 <= len(file._starts) <= 3
    assert file._starts[0] == 0
    for offset in range(0, len(content), 1_999_999):
        assert file.pread(100, offset) == content[offset : offset + 100]
    file.close()


def test_what_reading_decompresses_is_counted_before(content, tmp_path, monkeypatch):
    path = tmp_path / "a.gz"
    path.write_bytes(in_one_piece(content))
    file = opened(path)
    places = np.arange(0, len(content), 100_000)
    assert file.decompressed_nbytes(places) == len(content)
    assert file.decompressed_nbytes(np.random.default_rng(3).permutation(places)) == len(content)
    # with room for one block, each change of the block costs one
    monkeypatch.setattr(gzipped, "_KEPT_NBYTES", 1)
    there_and_back = np.tile([0, 20_000_000], 10)
    assert file.decompressed_nbytes(there_and_back) > 3 * len(content)
    assert file.decompressed_nbytes(places) == len(content)
    file.close()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda packed: packed[:-9], "cut short"),
        (lambda packed: packed[: len(packed) // 2], "cut short"),
        (lambda packed: packed[:-8] + bytes(4) + packed[-4:], "incorrect data check"),
        (lambda packed: packed[:-4] + bytes(4), "incorrect length check"),
        (lambda packed: packed + b"more", "incorrect header check"),
        (lambda packed: packed[:5000] + bytes(50) + packed[5050:], ""),
    ],
)
def test_damage_is_an_error_that_names_the_file(damage, message, tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(damage(in_one_piece(os.urandom(3_000_000))))
    file = SeekableGzip(path)
    with pytest.raises(SourceError, match=rf"a\.tar\.gz: damaged gzip data \(.*{message}"):
        list(iter(file.read_on, b""))
    file.close()


def test_the_cost_is_told_by_the_start(content, tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(in_one_piece(content))
    assert gzipped.cost(path).nbytes == len(content)
    assert gzipped.cost(path).seconds > 0
    path.write_bytes(in_one_piece(content * 3))
    assert gzipped.cost(path).nbytes == pytest.approx(3 * len(content), rel=0.3)


def test_what_does_not_fit_is_not_unpacked(content, tmp_path, monkeypatch):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(in_one_piece(content))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=NBYTES - 1))
    with pytest.raises(SourceError, match=r"23,000,001 bytes, and 23,000,000 are free.*--order"):
        spool.unpacked(path, tmp_path / "spool", progress=no_progress)
    assert list((tmp_path / "spool").iterdir()) == []
