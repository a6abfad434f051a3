"""Checks of what callers pass: a ValueError names the parameter, its value and what is allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

StrPath = str | os.PathLike[str]

_URL = re.compile(r"(s3|gs|gcs|az|abfss?|https?):/")  # a Path has one slash left of a URL's two
MAX_SIDE = 65_535  # pixels: what a JPEG can have, and what the native resize takes
MAX_THREADS = 1024  # beyond any machine's cores; more would end in failed forks, or in no memory


class ArgumentError(ValueError):
    """A value that is not allowed for a parameter; `name` is that of the parameter."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(name, value, allowed)  # what it is pickled with
        self.name, self.problem = name, f"is {value!r}; allowed are {allowed}"

    def __str__(self) -> str:
        return f"{self.name} {self.problem}"


def path(name: str, value: StrPath) -> Path:
    """Return one path."""
    if isinstance(value, str | os.PathLike):
        if _URL.match(str(value)):
            if not isinstance(value, str):
                raise ValueError(
                    f"{name} has a URL that was made a Path, which loses a slash; pass it as a str"
                )
            scheme = str(value).partition(":")[0]
            raise ValueError(
                f"{name} is a URL ({scheme}:), and this takes a path; imnet_data.copy copies a "
                "dataset between folders and object stores"
            )
        return Path(value)
    raise ArgumentError(name, value, "a str or an os.PathLike")


def paths(name: str, value: StrPath | Iterable[StrPath]) -> list[Path]:
    """Return one path or several, as a list."""
    if isinstance(value, str | os.PathLike):
        return [path(name, value)]
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [path(name, one) for one in value]
    raise ArgumentError(name, value, "one path or several")


def places(name: str, value: StrPath | Iterable[StrPath]) -> list[Path | str]:
    """Return one path or URL, or several, as a list; a URL stays text."""
    if isinstance(value, str) and "://" in value:
        return [value]
    if isinstance(value, str | os.PathLike) or not isinstance(value, Iterable):
        return list(paths(name, value))
    return [one for each in value for one in places(name, each)]


_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {f"{unit}I": 1 << 10 * power for power, unit in enumerate("KMGT", 1)}
_SIZE = re.compile(r"(\d+)\s*([KMGT]I?)?B?")


def nbytes(name: str, value: object) -> int:
    """Return a number of bytes, which may be written as 256MiB, 1GB or 4096."""
    if isinstance(value, str):
        matched = _SIZE.fullmatch(value.upper())
        if matched is None or not int(matched[1]):
            raise ArgumentError(name, value, "sizes such as 256MiB or 1GB")
        return int(matched[1]) * _UNITS[matched[2] or ""]
    return integer(name, value, least=1)


def integer(name: str, value: object, *, least: int | None = None, most: int | None = None) -> int:
    """Return an int from `least` to `most`; a bool is none."""
    if isinstance(value, int) and not isinstance(value, bool) and _is_within(value, least, most):
        return value
    raise ArgumentError(name, value, f"integers{_range(least, most)}")


def number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
) -> float:
    """Return a finite number from `least` to `most`, or greater than `above`."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < float("inf")
        and _is_within(value, least, most)
        and (above is None or value > above)
    ):
        return value
    lower = "" if above is None else f" above {above}"
    raise ArgumentError(name, value, f"numbers{lower}{_range(least, most)}")


def numbers(name: str, value: object, count: int, *, above: float | None = None) -> None:
    """Require a tuple of `count` numbers."""
    if not isinstance(value, tuple) or len(value) != count:
        raise ArgumentError(name, value, f"tuples of {count} numbers")
    for position, one in enumerate(value):
        number(f"{name}[{position}]", one, above=above)


def one_of(name: str, value: object, allowed: Iterable[object]) -> None:
    """Require one of a few values."""
    allowed = tuple(allowed)
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ArgumentError(name, value, ", ".join(map(str, allowed)))


def _is_within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _range(least: float | None, most: float | None) -> str:
    lower = "" if least is None else f" from {least:,}"
    return lower if most is None else f"{lower} to {most:,}"
