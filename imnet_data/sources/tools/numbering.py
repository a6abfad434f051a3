"""What the integers of other tools' labels mean: said by their files, or by whoever asks.

An integer alone is never guessed to be a class. A file may list its classes, by wnids or by words;
`--labels` names a label space. Where both say something, they must agree; and where an image's name
has its wnid, that must agree with the integer, too.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.sources.names import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

REMEDY = "say what its labels mean with --labels sorted|ilsvrc|tf|22k|12k|...|FILE"
_NAMED = re.compile(r"(n\d{8})_\d+|.*_(n\d{8})", re.ASCII | re.DOTALL)
_LEAST_KNOWN = 0.9  # of 1000 class names in words that must be those of the sorted wnids


class Numbering(NamedTuple):
    """A list of classes that has a label space's, or a file's, authority."""

    wnids: tuple[str, ...]  # of each integer, from 0 on; "" for one that is no class
    origin: str  # whose list it is, for errors

    def wnid(self, number: int, *, where: str) -> str:
        """Return the wnid of a label.

        Raises:
            SourceError: if it is none of the list; the text begins with `where`.
        """
        if 0 <= number < len(self.wnids) and self.wnids[number]:
            return self.wnids[number]
        raise SourceError(
            f"{where}: the label {number} is none of {self.origin}, which has "
            f"{sum(map(bool, self.wnids)):,} classes; {REMEDY}"
        )


def agreed(asked: str | None, names: Sequence[str] | None, *, where: str) -> Numbering | None:
    """Return what labels mean; None where nothing says so.

    Args:
        asked: a label space, as `labels.wnids_of` knows it.
        names: the classes that the file lists, as wnids or words; None where it lists none.
        where: the file, for errors.

    Raises:
        SourceError: if both say something, and it is not the same.
    """
    listed = None if names is None else _listed(tuple(names))
    if asked is None:
        if listed is None or "" in listed:
            return None
        return Numbering(listed, f"the class list in {where}")
    numbering = Numbering(labels.wnids_of(asked), f"the label space {asked}")
    for number, wnid in enumerate(listed or ()):
        known = numbering.wnids[number] if number < len(numbering.wnids) else ""
        if wnid and wnid != known:
            raise SourceError(
                f"{where}: its own class list says that label {number} is {wnid}, and in "
                f"{asked} it is {known or 'no class'}; leave out --labels, or name the right one"
            )
    return numbering


def _listed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the wnid of each class name, "" for one that is not known or not unique."""
    if all(map(labels.is_wnid, names)):
        return names
    of_words = _of_words()
    found = tuple(of_words.get(_folded(name), "") for name in names)
    wnids = labels.ilsvrc2012_wnids()
    if len(found) == len(wnids) and found != wnids:
        known = [at for at, wnid in enumerate(found) if wnid]
        if len(known) >= _LEAST_KNOWN * len(wnids) and all(found[at] == wnids[at] for at in known):
            return wnids  # words that two classes share are told apart by their place
    return found


def _folded(words: str) -> str:
    return words.replace("_", " ").casefold().strip()


@functools.cache
def _of_words() -> dict[str, str]:
    """Map the words of each class, and its first word, to its wnid; those of two classes to ""."""
    whole: dict[str, str] = {}
    first: dict[str, str] = {}
    for wnid, words in labels.words_of().items():
        for table, name in ((whole, words), (first, words.partition(",")[0])):
            table[_folded(name)] = "" if _folded(name) in table else wnid
    return first | whole


class Image(NamedTuple):
    """What another tool says of an image."""

    name: str  # a path, or the name of a file
    label: int | None  # None, or less than 0, where there is none
    split: str


def path_of(image: Image, numbering: Numbering | None, *, where: str) -> str:
    """Return the path that says the same: SPLIT/<wnid>/<name>.

    Raises:
        SourceError: if its name and its label say other classes, or nothing says the class of an
            image that is not of test; the text begins with `where`.
    """
    folder, _, file = image.name.rpartition("/")
    stem, _, suffix = file.rpartition(".")
    if suffix.lower() not in IMAGE_SUFFIXES:
        stem, file = file, f"{file}.jpeg"  # its bytes say what it really is
    wnid = _wnid_of(folder.rpartition("/")[2], stem)
    label = -1 if image.label is None else image.label
    if label >= 0 and numbering:
        known = numbering.wnid(label, where=where)
        if wnid and known != wnid:
            raise SourceError(
                f"{where}: {image.name!r} says that it is {wnid}, and its label {label} is {known} "
                f"by {numbering.origin}; {REMEDY}"
            )
        wnid = known
    if label >= 0 and not wnid:
        raise SourceError(f"{where}: has the label {label}, and no wnid in its name; {REMEDY}")
    if not wnid and image.split not in ("val", "test"):
        raise SourceError(
            f"{where}: is of {image.split}, and has neither a label nor a wnid in its name "
            f"{image.name!r}; leave it out"
        )
    return f"{image.split}/{wnid}/{file}" if wnid else f"{image.split}/{file}"


def _wnid_of(folder: str, stem: str) -> str:
    """Return the wnid that a folder has, or the stem of a file in it; or ""."""
    named = _NAMED.fullmatch(stem)
    return folder if labels.is_wnid(folder) else (named[1] or named[2] if named else "")
