"""What a set's paths mean, and one walk over its containers by these rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from imnet_data.errors import SourceError
from imnet_data.machine.progress import Step
from imnet_data.sources.images import ColumnsBuilder, ImageRecords, concatenated, sorted_by_key
from imnet_data.sources.left_out import HIDDEN, LeftOut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imnet_data.archives.containers import Container, Entry
    from imnet_data.machine.progress import Progress
    from imnet_data.sources.images import Columns
    from imnet_data.sources.names import Named

_PROGRESS_STEP = 4096  # entries
_MAX_TEXT_NBYTES = 1 << 24


class Rules(Protocol):
    """What there is to know of one set."""

    @property
    def name(self) -> str:
        """The set's, as dataset.json has it."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that it has, in the order of `SPLITS`."""

    @property
    def texts(self) -> frozenset[str]:
        """The names of the files beside the images that `finished` is given."""

    def named(self, path: str) -> Named | str:
        """Return what a path says, or why the file is left out.

        Raises:
            SourceError: if it has no place in the set; the text begins with the path.
        """

    def finished(self, found: dict[str, Columns], texts: Mapping[str, bytes]) -> Finished:
        """Return the images of each split with their classes, and what a person should know.

        Raises:
            SourceError: if something is missing, or does not fit together.
        """


class Finished(NamedTuple):
    """What `Rules.finished` returns."""

    splits: dict[str, Columns]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Scanned(NamedTuple):
    """What a walk found."""

    splits: dict[str, ImageRecords]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: LeftOut


def scan(
    rules: Rules, containers: Sequence[Container], *, split: str | None, progress: Progress
) -> Scanned:
    """Walk all containers of a set.

    Raises:
        SourceError: if a file has no place in it, or it has no images.
    """
    walk = _Walk(rules, split)
    for number, container in enumerate(containers):
        walk.take(container, number, progress)
    name = ", ".join(container.name for container in containers)
    if not walk.columns:
        raise SourceError(f"{name}: has no images of {rules.name}; download it again")
    found = {
        of_split: concatenated(walk.columns[of_split])
        for of_split in rules.splits
        if of_split in walk.columns
    }
    try:
        finished = rules.finished(found, walk.texts)
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error
    splits = {
        of_split: ImageRecords(sorted_by_key(columns, containers)[0], containers)
        for of_split, columns in finished.splits.items()
    }
    notes = tuple(f"{name}: {note}" for note in finished.notes)
    return Scanned(splits, finished.classes, notes, walk.left_out)


class _Walk:
    def __init__(self, rules: Rules, split: str | None) -> None:
        self.columns: dict[str, list[Columns]] = {}
        self.texts: dict[str, bytes] = {}
        self.left_out = LeftOut()
        self._rules = rules
        self._split = split

    def take(self, container: Container, number: int, progress: Progress) -> None:
        builders: dict[str, ColumnsBuilder] = {}
        for count, entry in enumerate(container.entries()):
            if count % _PROGRESS_STEP == 0:
                progress(Step(f"list {container.name}", entry.place, container.extent))
            image = self._named(container, entry)
            if image is None:
                continue
            if image.split not in builders:
                builders[image.split] = ColumnsBuilder(number)
            builders[image.split].add(image, place=entry.place, nbytes=entry.nbytes)
        for split, builder in builders.items():
            self.columns.setdefault(split, []).append(builder.columns())

    def _named(self, container: Container, entry: Entry) -> Named | None:
        file = entry.path.rpartition("/")[2]
        if file.startswith("."):
            self.left_out.add(HIDDEN, entry.path)
        elif file in self._rules.texts:
            self._take_text(container, entry, file)
        else:
            try:
                image = self._rules.named(entry.path)
            except SourceError as error:
                raise SourceError(f"{container.name}: {error}") from error
            if not isinstance(image, str):
                return image if self._split in (None, image.split) else None
            self.left_out.add(image, entry.path)
        return None

    def _take_text(self, container: Container, entry: Entry, file: str) -> None:
        if entry.nbytes > _MAX_TEXT_NBYTES or file in self.texts:
            raise SourceError(f"{container.name}: {entry.path} is there twice, or is no such list")
        self.texts[file] = container.read(entry.place, entry.nbytes)
