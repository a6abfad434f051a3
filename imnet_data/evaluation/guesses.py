"""Files of localisation: guesses of a submission or of Kaggle, the blacklist, and Kaggle's CSV.

ImageId,PredictionString                              Kaggle's; the first line is this
ILSVRC2012_val_00000001,n01751748 85 1 499 272 n01740131 85 1 499 272

490 85 1 499 272 361 85 1 499 272                     the devkit's: a line for each image, by
                                                      name; classes are ILSVRC2012_ID
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

from imnet_data.errors import EvaluationError
from imnet_data.imagenet import facts, labels
from imnet_data.machine.files import read_small
from imnet_data.metrics.localization import MOST_GUESSES, Guess
from imnet_data.sources import archive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imnet_data.record import Box

HEADER = "ImageId,PredictionString"
BLACKLISTED_COUNT = 1762  # of the val images of ILSVRC2012
_GROUP = 5  # a class and four corners
_BLACKLIST = re.compile(r"ILSVRC20\d\d(?:_clsloc)?_validation_blacklist\.txt", re.ASCII)


def read(path: Path, keys: Sequence[str]) -> dict[str, tuple[Guess, ...]]:
    """Read a file of guesses.

    Args:
        path: of Kaggle's form, or of the devkit's.
        keys: of all images of the split, sorted.

    Returns:
        The guesses of each image that has some, in the order given.

    Raises:
        EvaluationError: if it cannot be read, or is of neither form.
    """
    try:
        lines = read_small(path).decode("ascii").splitlines()
        if lines and lines[0].strip() == HEADER:
            return dict(_of_row(line) for line in lines[1:] if line.strip())
        return _of_devkit(lines, keys)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read ({error.strerror}); name a file") from error
    except ValueError as error:
        raise EvaluationError(
            f"{path}: is not a file of guesses ({error}); its first line is {HEADER!r}, or it has "
            "a line of `<class> <xmin> <ymin> <xmax> <ymax> ...` for each image"
        ) from error


def _of_row(line: str) -> tuple[str, tuple[Guess, ...]]:
    key, comma, text = line.partition(",")
    if not comma:
        raise ValueError(f"{line[:40]!r} has no comma")
    guesses = tuple(_guesses(text))
    strange = [guess.wnid for guess in guesses if not labels.is_wnid(guess.wnid)]
    if strange:
        raise ValueError(f"{strange[0][:20]!r} is no wnid")
    return key, guesses


def _guesses(text: str) -> Iterator[Guess]:
    words = text.split()
    if len(words) % _GROUP:
        raise ValueError(f"{text[:40]!r} is not groups of a class and four corners")
    for at in range(0, len(words), _GROUP):
        x1, y1, x2, y2 = map(float, words[at + 1 : at + _GROUP])
        yield Guess(words[at], (x1, y1, x2, y2))


def _of_devkit(lines: Sequence[str], keys: Sequence[str]) -> dict[str, tuple[Guess, ...]]:
    count = facts.SPLITS["val"].record_count
    if len(lines) == count:
        matches = {key: facts.VAL_KEY.fullmatch(key.encode()) for key in keys}
        chosen = {key: int(match[1]) - 1 for key, match in matches.items() if match}
    elif len(lines) == len(keys):
        chosen = {key: at for at, key in enumerate(keys)}
    else:
        raise ValueError(
            f"it has {len(lines)} lines, for {len(keys)} images that are here, of {count}"
        )
    wnids = labels.wnids_of("ilsvrc")
    found = {}
    for key, at in chosen.items():
        guesses = []
        for guess in _guesses(lines[at]):
            number = int(guess.wnid)
            if not 1 <= number < len(wnids):
                raise ValueError(f"line {at + 1} has the class {number}")
            guesses.append(guess._replace(wnid=wnids[number]))
        found[key] = tuple(guesses)
    return found


def read_blacklist(path: Path) -> frozenset[int]:
    """Return the numbers of the blacklisted val images: of a file, a devkit, or its archive.

    Raises:
        EvaluationError: if there is no such list, or it is damaged.
    """
    try:
        content = _list_of(path)
        numbers = frozenset(map(int, content.split()))
        if not numbers or not all(
            1 <= number <= facts.SPLITS["val"].record_count for number in numbers
        ):
            raise ValueError("it is not numbers of val images")
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read ({error.strerror}); name a file") from error
    except ValueError as error:
        raise EvaluationError(
            f"{path}: is no blacklist ({error}); pass the devkit, or its "
            "ILSVRC20xx_clsloc_validation_blacklist.txt"
        ) from error
    return numbers


def _list_of(path: Path) -> bytes:
    if path.is_dir():
        names = [each for each in (*path.glob("*"), *path.glob("data/*")) if _is_list(each.name)]
        if not names:
            raise ValueError("there is none in this folder, nor in its data")
        return read_small(names[0])
    if not path.name.endswith((".tar.gz", ".tgz", ".tar", ".zip")):
        return read_small(path)
    with closing(archive.peeked(path)) as container:
        for entry in container.entries():
            if _is_list(entry.path.rpartition("/")[2]):
                return container.read(entry.place, entry.nbytes)
    raise ValueError("there is none in this archive")


def _is_list(name: str) -> bool:
    return _BLACKLIST.fullmatch(name) is not None


def to_csv(rows: Mapping[str, Iterable[tuple[str, Sequence[float]]]]) -> bytes:
    """Return the bytes of a CSV of Kaggle's: of each image, classes with their boxes."""
    lines = [HEADER]
    for key, groups in sorted(rows.items()):
        words = (f"{wnid} {' '.join(map(_number, box))}" for wnid, box in groups)
        lines.append(f"{key},{' '.join(words)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _number(corner: float) -> str:
    return repr(float(corner)).removesuffix(".0")


def submission(guesses: Mapping[str, Sequence[Guess]]) -> bytes:
    """Return guesses as Kaggle's submission has them: five per image at most."""
    return to_csv({key: found[:MOST_GUESSES] for key, found in guesses.items()})


def solution(truth: Mapping[str, tuple[str, Sequence[Box]]]) -> bytes:
    """Return the boxes of a split as Kaggle's LOC_val_solution.csv has them."""
    return to_csv(
        {key: [(wnid, box) for box in boxes] for key, (wnid, boxes) in truth.items() if boxes}
    )
