"""WordNet's hierarchy: which synsets are below which; a synset may be below several.

A file of it has a line `PARENT CHILD` of two wnids for each pair, as ImageNet published its own
(`wordnet.is_a.txt`).
"""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from imnet_data.errors import LabelError
from imnet_data.imagenet.labels import is_wnid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

_REMEDY = "a hierarchy has the wnids of a parent and of a child on each line"


class Hierarchy:
    """Synsets, and those directly below each."""

    def __init__(
        self,
        children: Mapping[str, Collection[str]],
        *,
        origin: str,
        words: Mapping[str, str] | None = None,
    ) -> None:
        """Take a hierarchy.

        Args:
            children: those directly below each synset.
            origin: where they are from, for errors.
            words: of synsets, where they are known.

        Raises:
            LabelError: if a synset is below itself.
        """
        self.origin = origin
        self.words = words or {}
        self._children = children
        try:
            TopologicalSorter(children).prepare()
        except CycleError as error:
            raise LabelError(f"{origin}: {error.args[1][0]} is below itself; {_REMEDY}") from error

    def __contains__(self, wnid: str) -> bool:
        return wnid in self._children

    def below(self, wnid: str) -> frozenset[str]:
        """Return the synset and all that are below it, at whatever depth."""
        found = {wnid}
        waiting = [wnid]
        while waiting:
            new = set(self._children.get(waiting.pop(), ())) - found
            found |= new
            waiting += new
        return frozenset(found)

    def branches(self, wnids: Collection[str]) -> tuple[str, ...]:
        """Return the synsets by which `wnids` divide: those below the lowest that has all of them.

        Raises:
            LabelError: if no synset has all of them below it.
        """
        wanted = set(wnids)
        whole = [wnid for wnid in self._children if wanted <= self.below(wnid)]
        if not whole:
            raise LabelError(
                f"{self.origin}: no synset has all {len(wanted):,} classes below it; name groups"
            )
        lowest = min(whole, key=lambda wnid: (len(self.below(wnid)), wnid))
        found = (wnid for wnid in self._children[lowest] if self.below(wnid) & wanted)
        return tuple(sorted(set(found))) or (lowest,)

    def expanded(self, wnids: Sequence[str], among: Collection[str]) -> tuple[str, ...]:
        """Return sorted classes: each of `wnids`, or those of `among` that are it or below it.

        Raises:
            LabelError: if none of `among` is at or below a synset that has others below it.
        """
        chosen: set[str] = set()
        for wnid in wnids:
            if not self._children.get(wnid):
                chosen.add(wnid)
                continue
            found = self.below(wnid) & set(among)
            if not found:
                raise LabelError(
                    f"{wnid}: none of the {len(among):,} classes that are here is at or below it "
                    f"in {self.origin}; name another synset"
                )
            chosen |= found
        return tuple(sorted(chosen))


def read(path: Path) -> Hierarchy:
    """Read a file of lines `PARENT CHILD`.

    Raises:
        LabelError: if it cannot be read, or is no hierarchy.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: cannot be read as text ({error}); {_REMEDY}") from error
    children: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        pair = line.split()
        if len(pair) != 2 or not all(map(is_wnid, pair)):
            raise LabelError(f"{path}: line {number} is {line[:40]!r}; {_REMEDY}")
        children[pair[0]].append(pair[1])
        children.setdefault(pair[1], [])
    if not children:
        raise LabelError(f"{path}: is empty; {_REMEDY}")
    return Hierarchy(dict(children), origin=str(path))
