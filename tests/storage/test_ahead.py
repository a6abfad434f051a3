"""A file in a store that is read on, as the walk over a tar reads it."""

import random
from collections.abc import Callable
from pathlib import Path

from imnet_data.storage.ahead import PIECE_NBYTES, ahead_of
from imnet_data.storage.local import LocalStore
from imnet_data.storage.object_file import ObjectFile

HEAD_NBYTES = 512


class Asked(ObjectFile):
    """Keeps what it was asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(LocalStore(path.parent), path.name)
        self.asked: list[int] = []

    def read_later(self, offset: int, nbytes: int) -> Callable[[], bytes]:
        self.asked.append(nbytes)
        return super().read_later(offset, nbytes)


def asked_by_a_walk(path: Path, member_nbytes: int) -> list[int]:
    """Read the head of each member; return how many bytes each request was for."""
    content = path.read_bytes()
    file = Asked(path)
    ahead = ahead_of(file)
    for offset in range(0, len(content), HEAD_NBYTES + member_nbytes):
        assert ahead.read(offset, HEAD_NBYTES) == content[offset : offset + HEAD_NBYTES]
    return file.asked


def test_small_members_are_read_once_in_large_pieces_and_large_ones_passed_over(
    tmp_path: Path,
) -> None:
    path = tmp_path / "object"
    path.write_bytes(random.Random(0).randbytes(40 << 20))
    whole = asked_by_a_walk(path, 100_000)
    assert sum(whole) == 40 << 20
    assert max(whole) == PIECE_NBYTES
    assert len(whole) < 12
    assert sum(asked_by_a_walk(path, PIECE_NBYTES + HEAD_NBYTES)) < 4 << 20
