"""The images that a conversion refuses: each shard notes its own, all are reported at the end.

So a conversion need not be repeated once for each bad image, and shards without one are done.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from imnet_data.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from imnet_data.images.fixups import Refused

FILE_NAME = "refused.txt"
REMEDY = "leave such images out with `--bad skip --force`, or keep them with `--bad keep --force`"
_SHOWN = 20  # in the error; the file has all


class Refusals:
    """The refused images of one shard, a line each in a file that appears with the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.counts = Counter[str]()  # problem -> images
        path.unlink(missing_ok=True)

    def add(self, split: str, refused: Refused) -> None:
        """Note an image."""
        self.counts[refused.problem] += 1
        with self._path.open("a") as file:  # the text of a decoder may have line feeds
            file.write(f"{split}: {' '.join(str(refused).split())}\n")


def error(stage: Path, parts: Iterable[Path], counts: Mapping[str, int], remedy: str) -> ImageError:
    """Return the error that names refused images, and list all of them on the stage.

    Args:
        stage: where the list is put.
        parts: files of `Refusals`, in the order of the list; those that are not there are empty.
        counts: problem -> images, of all parts.
        remedy: what to do next.
    """
    path = stage / FILE_NAME
    with path.open("w") as whole:
        for part in parts:
            if part.exists():
                with part.open() as lines:
                    whole.writelines(lines)
                part.unlink()
    with path.open() as lines:
        shown = [line.rstrip("\n") for line in islice(lines, _SHOWN)]
    count = sum(counts.values())
    if count == 1:
        return ImageError(f"{shown[0]}; {remedy}")
    kinds = ", ".join(f"{count:,} {problem}" for problem, count in sorted(counts.items()))
    more = f"{count - len(shown):,} more; " if count > len(shown) else ""
    listed = "".join(f"\n  {line}" for line in shown)
    return ImageError(
        f"{count:,} images are refused ({kinds}); {remedy}:{listed}\n  {more}all are in {path}"
    )
