"""The frames that a manifest is made of."""

import io
import itertools
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
import zstandard

from imnet_data.dataset import frames


def lines(count: int, nbytes: int = 20) -> list[bytes]:
    rng = random.Random(count)
    return [rng.randbytes(nbytes).hex().encode() + b"\n" for _ in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """10,000 lines in three frames."""
    frames.write(tmp_path / "lines", lines(10_000))
    return tmp_path / "lines"


class Counting(io.FileIO):
    """A file that counts the bytes that are read of it."""

    nbytes = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(-1 if size is None else size)
        self.nbytes += len(content)
        return content


def test_other_decompressors_print_all_lines(path: Path) -> None:
    whole = b"".join(lines(10_000))
    with path.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert stream.read() == whole
    if command := shutil.which("zstd"):
        assert subprocess.check_output([command, "-dc", path]) == whole
        subprocess.run([command, "-tq", path], check=True)


def test_any_range_of_lines_is_read_from_its_frames_alone(path: Path) -> None:
    every = [line[:-1] for line in lines(10_000)]
    edges = [0, 1, 4095, 4096, 4097, 8191, 8192, 9999, 10_000, 10_001, 50_000]
    with path.open("rb") as file:
        table = frames.read_table(file)
        assert table.line.tolist() == [0, 4096, 8192, 10_000]
        for start, stop in itertools.product(edges, edges):
            assert list(frames.read(file, table, start, stop)) == every[start:stop]
    with Counting(path) as counted:
        table = frames.read_table(counted)
        assert list(frames.read(counted, table, 9_500, 9_501)) == [every[9_500]]
        assert counted.nbytes < path.stat().st_size / 4


def test_files_put_together_are_their_lines_one_after_the_other(tmp_path: Path) -> None:
    counts = [5, 4096, 1, 0, 4097]
    for number, count in enumerate(counts):
        frames.write(tmp_path / str(number), lines(count))
    frames.join(tmp_path / "whole", [tmp_path / str(number) for number in range(len(counts))])
    with (tmp_path / "whole").open("rb") as file:
        table = frames.read_table(file)
        assert table.line.tolist() == [0, 5, 4101, 4102, 8198, 8199]
        found = list(frames.read(file, table, 0, 10_000))
    assert found == [line[:-1] for count in counts for line in lines(count)]


def test_a_frame_ends_with_the_line_that_fills_it(tmp_path: Path) -> None:
    long = [b"x" * (6 << 20) + b"\n"] * 4
    frames.write(tmp_path / "long", long)
    with (tmp_path / "long").open("rb") as file:
        table = frames.read_table(file)
        assert table.line.tolist() == [0, 3, 4]
        assert list(frames.read(file, table, 0, 4)) == [line[:-1] for line in long]


def test_a_file_that_is_cut_or_has_other_frames_than_its_table_says_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    with path.open("rb") as file:
        _, second, third, end = frames.read_table(file).start.tolist()
    rows = list(struct.iter_unpack("<II", whole[end + 8 : -8]))
    fewer = struct.pack("<II", rows[2][0], rows[2][1] - 1)
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 30))
    bombed = bomb + whole[second:end] + whole[end : end + 8]
    bombed += struct.pack("<II", len(bomb), rows[0][1]) + whole[end + 16 :]
    for content in (
        b"",
        whole[:end],
        whole[:-1],
        whole[second:],
        whole[:third] + whole[end:],
        whole[:-16] + fewer + whole[-8:],
        whole[:-8] + struct.pack("<I", 2**32 - 1) + whole[-4:],
        bombed,
    ):
        path.write_bytes(content)
        with path.open("rb") as file, pytest.raises((ValueError, zstandard.ZstdError)):  # noqa: PT012
            table = frames.read_table(file)
            list(frames.read(file, table, 0, 10_000))
