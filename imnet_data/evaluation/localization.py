"""Localisation of one split: the official error, and what weakly supervised methods report."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import guesses
from imnet_data.imagenet import facts
from imnet_data.imagenet.variants import ILSVRC2012
from imnet_data.metrics.localization import Counts, count, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imnet_data.arguments import StrPath
    from imnet_data.metrics.localization import Guess
    from imnet_data.metrics.results import Accuracy
    from imnet_data.record import Box


class LocalizationResult(NamedTuple):
    """What came out of one file or several, each with another threshold."""

    split: str
    digest: str  # of the split's manifest
    names: tuple[str, ...]  # of the files
    counts: tuple[Counts, ...]  # of each file, on all images that have boxes
    official: Counts | None  # of the first file, without blacklisted images; None: no list
    blacklisted_count: int  # images of the list that are here
    listed_count: int  # in the list
    boxless_count: int  # images without boxes, which are not judged
    silent_count: int  # images that the first file has no guess for
    unknown_count: int  # images of the first file that are not here

    @property
    def max_box_accuracy(self) -> Accuracy:
        """The best GT-known accuracy of the files."""
        return max((each.known for each in self.counts), key=lambda known: known.correct)


class Split(NamedTuple):
    """The images of a split that have boxes, by key, in sorted order."""

    digest: str
    name: str
    truth: Mapping[str, tuple[str, Sequence[Box]]]
    keys: tuple[str, ...]  # of all images

    @property
    def boxless_count(self) -> int:
        """How many images have no box."""
        return len(self.keys) - len(self.truth)


def read_split(root: StrPath, split: str | None = None) -> Split:
    """Return classes and boxes of a split, by default val.

    Raises:
        EvaluationError: if it is not of ILSVRC2012, or has no boxes.
    """
    path = arguments.path("root", root)
    with Dataset.open(path, split or "val") as dataset:
        if dataset.about.name != ILSVRC2012:
            raise EvaluationError(
                f"{path}: is {dataset.about.name}; localisation is scored on {ILSVRC2012}, and "
                "detections, with --detections, on DET and VID"
            )
        if not len(dataset.index.boxes):
            raise EvaluationError(
                f"{path}: {dataset.split} has no boxes; convert it with --boxes, and with the "
                "archive of boxes among the sources"
            )
        wnids = (*dataset.classes, "")
        keys = [key.decode() for key in dataset.index.key.tolist()]
        found = {
            key: (wnids[int(dataset.labels[at])], dataset.index.boxes_of(at))
            for at, key in enumerate(keys)
        }
        truth = {key: found[key] for key in sorted(found) if found[key][1]}
        digest = dataset.split_description.digest
        return Split(digest, dataset.split, truth, tuple(sorted(keys)))


def evaluate_localization(
    split: Split,
    files: Mapping[str, Mapping[str, Sequence[Guess]]],
    *,
    blacklist: frozenset[int] | None = None,
) -> LocalizationResult:
    """Judge the guesses of some files.

    Args:
        split: as `read_split` returns it.
        files: name of each file -> key -> guesses; see `evaluation.guesses`.
        blacklist: numbers of val images that the official error leaves out; None if unknown.
    """
    first = next(iter(files.values()))
    left_out = {key for key in split.truth if _number(key) in (blacklist or ())}
    official = None
    if blacklist is not None:
        official = _count(split, first, (key for key in split.truth if key not in left_out))
    return LocalizationResult(
        split=split.name,
        digest=split.digest,
        names=tuple(files),
        counts=tuple(_count(split, found, split.truth) for found in files.values()),
        official=official,
        blacklisted_count=len(left_out),
        listed_count=len(blacklist or ()),
        boxless_count=split.boxless_count,
        silent_count=sum(not first.get(key) for key in split.truth),
        unknown_count=len(first.keys() - {*split.keys}),
    )


def _count(split: Split, found: Mapping[str, Sequence[Guess]], keys: Iterable[str]) -> Counts:
    return count([judge(*split.truth[key], found.get(key, ())) for key in keys])


def _number(key: str) -> int:
    match = facts.VAL_KEY.fullmatch(key.encode())
    return int(match[1]) if match else 0


def text(result: LocalizationResult) -> str:
    """Return the results as lines."""
    whole = result.counts[0]
    lines = [f"{result.split}: {whole.top1.total:,} images with boxes, digest {result.digest[:16]}"]
    columns = [("all images", whole)]
    if result.official is not None:
        columns.insert(0, ("without blacklisted", result.official))
    lines += ["", f"{'':30}" + "".join(f"{name:>24}" for name, _ in columns)]
    rows = (
        ("localisation error, top 5", "top5_located", True),
        ("localisation error, top 1", "top1_located", True),
        ("GT-known accuracy", "known", False),
    )
    for name, column, is_error in rows:
        cells = (_cell(getattr(counts, column), is_error=is_error) for _, counts in columns)
        lines.append(f"{name:30}" + "".join(f"{cell:>24}" for cell in cells))
    for name, accuracy in (("top 5", whole.top5), ("top 1", whole.top1)):
        cell = _cell(accuracy, is_error=True)
        lines.append(f"{f'classification error, {name}':30}{cell:>{24 * len(columns)}}")
    if len(result.names) > 1:
        lines += [""] + [
            f"BoxAcc of {name}: {_cell(counts.known, is_error=False)}"
            for name, counts in zip(result.names, result.counts, strict=True)
        ]
    lines.append(f"MaxBoxAcc: {_cell(result.max_box_accuracy, is_error=False)}")
    return "\n".join([*lines, *_notes(result)])


def _cell(accuracy: Accuracy, *, is_error: bool) -> str:
    count = accuracy.total - accuracy.correct if is_error else accuracy.correct
    share = 100 * count / accuracy.total if accuracy.total else 0.0
    return f"{share:.3f} % of {accuracy.total:,}"


def _notes(result: LocalizationResult) -> list[str]:
    notes = []
    if result.official is None:
        notes.append(
            "the official error leaves out the blacklisted images, which the devkit lists: add "
            "--blacklist DEVKIT"
        )
    elif result.listed_count != guesses.BLACKLISTED_COUNT:
        notes.append(
            f"the blacklist has {result.listed_count:,} images, the published one "
            f"{guesses.BLACKLISTED_COUNT:,}"
        )
    if result.boxless_count:
        notes.append(f"{result.boxless_count:,} images have no boxes, and are not judged")
    if result.silent_count:
        notes.append(f"{result.silent_count:,} images have no guess, and count as wrong")
    if result.unknown_count:
        notes.append(f"{result.unknown_count:,} images of the file are not in the dataset")
    return [f"note: {note}" for note in notes]


def document(result: LocalizationResult) -> dict[str, object]:
    """Return the results as JSON has them; an accuracy as the numbers of right and of all."""
    fields = result._asdict()
    fields["counts"] = [each._asdict() for each in result.counts]
    fields["official"] = result.official and result.official._asdict()
    fields["max_box_accuracy"] = result.max_box_accuracy
    return fields
