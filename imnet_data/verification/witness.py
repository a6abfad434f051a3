"""What SHA256SUMS proves of the other files of a dataset, though it may be damaged itself.

If most digits of a line are those of a file's hash, the file is what was hashed, and the line is
what is damaged: the hash of any other file agrees in 4 of 64 digits. So a damaged line, or a file
in which one bit was flipped, is known for what it is without any other copy.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from imnet_data.dataset import description, layout
from imnet_data.dataset.layout import SUMS
from imnet_data.machine.files import write_whole
from imnet_data.machine.open_file import plain

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 64
_ENOUGH = 48  # digits; by chance one hash in 10^42 agrees with another in so many
_BLOCK_NBYTES = 64
_MOST_SEARCHED_NBYTES = 128 << 10  # the search takes the square of the size: minutes at most


class Sums:
    """SHA256SUMS as it is found; empty if it cannot be read."""

    def __init__(self, root: Path) -> None:
        self.lines: dict[str, str] = {}  # name -> sha256, where they are well-formed
        self.faults: list[str] = []
        self.content = b""
        try:
            with os.fdopen(plain(root / SUMS), "rb") as file:
                self.content = file.read()
        except OSError as error:
            self.faults.append(f"cannot be read ({error.strerror})")
        self._broken: list[str] = []
        text = self.content.decode(errors="surrogateescape")  # so that no flipped bit ends it
        for number, line in enumerate(text.split("\n"), 1):
            if parsed := layout.parse_sum(line):
                self.lines[parsed[0]] = parsed[1]
            elif line:
                self._broken.append(line)
                self.faults.append(f"line {number} is not a sha256 and the name of a file")

    def claim(self, file: str) -> str:
        """Return the digits that the line of a file has, damaged or not; "" if there is none."""
        if file in self.lines:
            return self.lines[file]
        end = f"  {file}"
        place = self.content.find(end.encode())
        if place >= _DIGITS:  # a digit is damaged, or a line feed before or after the line
            return self.content[place - _DIGITS : place].decode("latin-1")
        others = (f"{sha256}  {name}" for name, sha256 in self.lines.items())
        for line in (*self._broken, *others):
            if len(line) == _DIGITS + len(end) and _differing(line[_DIGITS:], end) == 1:
                return line[:_DIGITS]
        return ""

    def proves(self, file: str, sha256: str) -> bool:
        """Return whether the line of a file, damaged or not, is of content with this sha256."""
        return _agrees(self.claim(file), sha256)


def _agrees(claim: str, sha256: str) -> bool:
    return bool(claim) and _differing(claim, sha256) <= _DIGITS - _ENOUGH


def _differing(one: str, other: str) -> int:
    return sum(mine != yours for mine, yours in zip(one, other, strict=True))


def restore_description(root: Path) -> bool:
    """Flip back a bit of dataset.json that was flipped, if SHA256SUMS proves which; say if so."""
    path = root / description.FILE_NAME
    with os.fdopen(plain(path), "rb") as file:
        content = file.read()
    claim = Sums(root).claim(description.FILE_NAME)
    if not claim or _agrees(claim, hashlib.sha256(content).hexdigest()):
        return False
    restored = _flipped_back(content, claim)
    if restored is None:
        return False
    write_whole(path, restored)
    return True


def _flipped_back(content: bytes, claim: str) -> bytes | None:
    """Return the content with that one bit changed whose hash the claim is, if there is one."""
    if len(content) > _MOST_SEARCHED_NBYTES:
        return None
    before = hashlib.sha256()
    for start in range(0, len(content), _BLOCK_NBYTES):
        block = bytearray(content[start : start + _BLOCK_NBYTES])
        rest = content[start + _BLOCK_NBYTES :]
        for bit in range(8 * len(block)):
            block[bit // 8] ^= 1 << bit % 8
            tried = before.copy()
            tried.update(block)
            tried.update(rest)
            if _agrees(claim, tried.hexdigest()):
                return content[:start] + bytes(block) + rest
            block[bit // 8] ^= 1 << bit % 8
        before.update(block)
    return None
