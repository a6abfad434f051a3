"""What a source has and a dataset made from it does not, without anybody having asked for that."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Reason:
    """How many files were left out for one reason."""

    count: int
    example: str  # the path of the first one


class LeftOut:
    """Counts of what was left out, by reason; paths are not kept, as there may be millions."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}

    def add(self, reason: str, example: str, count: int = 1) -> None:
        """Count some files more."""
        before = self._reasons.get(reason, Reason(0, example))
        self._reasons[reason] = replace(before, count=before.count + count)

    def update(self, other: LeftOut, *, within: str) -> None:
        """Count those of a container called `within`, too."""
        for reason, found in other.reasons.items():
            self.add(reason, f"{within}: {found.example}", found.count)

    @property
    def reasons(self) -> dict[str, Reason]:
        """Reasons, sorted, and what was left out for each."""
        return dict(sorted(self._reasons.items()))


HIDDEN = "hidden files"
HIDDEN_FOLDERS = "hidden folders"
NO_IMAGE = "files that are no images"
UNPACKED = "archives whose class has its folder beside them"
