"""What the package's metadata requires, by extra, and which of it is installed."""

from __future__ import annotations

import re
from importlib import metadata
from typing import NamedTuple

DISTRIBUTION = "imnet-data"

_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:>=\s*([\w.]+))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w.-]+)["']""")


class Requirement(NamedTuple):
    """A distribution that the package, or one of its extras, needs."""

    name: str
    least: str  # the lowest version that will do; "" for any
    extra: str  # "" for what the package itself needs
    version: str | None  # that is installed

    @property
    def is_met(self) -> bool:
        """Whether it is installed, in a version that will do."""
        return self.version is not None and _release(self.version) >= _release(self.least)

    def __str__(self) -> str:
        wanted = f"{self.name}>={self.least}" if self.least else self.name
        return f"{wanted} ({self.version or 'not installed'})"


def requirements() -> list[Requirement]:
    """Return what the package's metadata requires; nothing where it has no metadata."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    return [requirement(line) for line in lines]


def requirement(line: str) -> Requirement:
    """Return what one line of metadata requires, such as `torch>=2.3; extra == "torch"`."""
    specifier, _, marker = line.partition(";")
    matched, extra = _REQUIREMENT.match(specifier.strip()), _EXTRA.search(marker)
    if matched is None:
        raise ValueError(f"{line!r} is not a requirement")
    name, least = matched[1], matched[2] or ""
    return Requirement(name, least, extra[1] if extra else "", version(name))


def version(distribution: str) -> str | None:
    """Return the version of a distribution that is installed, without importing it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _release(text: str) -> tuple[int, ...]:
    """Return the numbers of a version up to what is not one, so that they can be compared."""
    matched = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in matched[0].split(".")) if matched else ()
