"""ImageNet-Hard: Parquet files of the Hub with several right labels for an image.

    data/validation-00000-of-00012.parquet    image: struct<bytes, path>, label: list<int64>

The integers are those of the sorted wnids, as the set's card says. A record has one class, the
first of its labels; all of them are in its key, `<file>_<row>-<wnid>+<wnid>`, from where `evaluate`
takes them.

Source: huggingface.co/datasets/taesiri/imagenet-hard, its card.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.archives.containers import Entry
from imnet_data.archives.joined import Joined
from imnet_data.archives.parquet import KEPT_NBYTES, Kept, Rows
from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.variants import HARD, key_of_several
from imnet_data.sources.names import Named
from imnet_data.sources.variants.rules import Finished

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imnet_data.sources.images import Columns


class HardRows(Joined[Path]):
    """The rows of the files, as files of a container; a place is the number of a row."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the schemas of the files.

        Raises:
            MissingExtra: if pyarrow is not installed.
            SourceError: if one is damaged, or has other columns.
        """
        super().__init__(paths)
        kept = Kept(KEPT_NBYTES)
        self._rows = [Rows(path, kept) for path in self.paths]
        self.starts = np.cumsum([0, *(rows.count for rows in self._rows)])
        self.extent = int(self.starts[-1])

    def entries(self) -> Iterator[Entry]:
        """Walk all rows once."""
        place, wnids = 0, labels.ilsvrc2012_wnids()
        for rows in self._rows:
            for number, row in enumerate(rows):
                right = row.label if isinstance(row.label, list) else []
                if row.image is None or not right or not set(right) <= set(range(len(wnids))):
                    raise SourceError(
                        f"{rows.path}, row {number}: has no image, or its labels are {right}, and "
                        "a list of 0 to 999 is read; download it again"
                    )
                key = key_of_several(f"{rows.path.stem}_{number}", [wnids[at] for at in right])
                yield Entry(f"{wnids[right[0]]}/{key}", place, int(row.image.size))
                place += 1

    def read(self, place: int, nbytes: int) -> bytes:
        """Return the image of a row."""
        number, row = self.at(place)
        return self._rows[number].image(row)

    def path_of(self, place: int) -> str:
        """Return file and row."""
        number, row = self.at(place)
        return f"{self.paths[number]}, row {row}"


class Hard:
    """The rules of ImageNet-Hard."""

    name = HARD
    splits = ("val",)
    texts: frozenset[str] = frozenset()

    def named(self, path: str) -> Named | str:
        """Return what a path of `HardRows` says."""
        wnid, _, key = path.partition("/")
        return Named("val", key, wnid)

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images as they are, and how many there are, as the set's versions differ."""
        del texts
        count = len(found["val"].keys)
        note = (
            f"has {count:,} images; the set's versions differ (10,980, 11,350 and 13,925 images "
            "were published), so say the number with a result"
        )
        return Finished(found, labels.ilsvrc2012_wnids(), (note,))
