"""Where a run works, and on what."""

from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """The device, and folders."""

    device: str  # "cuda", or "cpu" to rehearse
    folder: Path  # of all that the run writes
    photographs: Path | None  # a folder of JPEGs; drawn images where there is none

    @property
    def is_rehearsal(self) -> bool:
        """Whether only what a CPU can do is done, and little of it."""
        return self.device == "cpu"

    @property
    def dataset(self) -> Path:
        """Return the dataset that all sections read: each image once."""
        return self.folder / "dataset"

    @property
    def large(self) -> Path:
        """Return the dataset for speeds: each image several times."""
        return self.folder / "large"

    def of(self, on_a_gpu: int, in_rehearsal: int) -> int:
        """Return a number that is smaller in a rehearsal."""
        return in_rehearsal if self.is_rehearsal else on_a_gpu
