"""URLs of object stores: which text is one, and how it is shown.

A URL may hold credentials (`https://user:password@...`, a signature in its query), so no message
has one as it was given: `shown` leaves out all but scheme, host and path.
"""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, urlsplit

from imnet_data.errors import StorageError

SCHEMES = ("s3", "gs", "az", "http", "https")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a Path has one slash left of a URL's two
_USER = re.compile(r"^[^@/?#]*(:(?!\d+[/?#])[^@]*)?@")  # and password, which may have any character


def is_url(place: str | os.PathLike[str]) -> bool:
    """Return whether a place is a URL.

    Raises:
        StorageError: if it is a Path that was made of one.
    """
    text = os.fspath(place)
    if _URL.match(text) is None:
        return False
    if not isinstance(place, str):
        raise StorageError(
            f"{shown(text)}: is a URL that was made a Path, which loses a slash; pass it as a str"
        )
    return True


def shown(place: str | os.PathLike[str]) -> str:
    """Return a URL, or a Path, as it was given, without what may be secret."""
    if not isinstance(place, str):
        return os.fspath(place)
    scheme, slashes, rest = re.split("(:/*)", place, maxsplit=1)
    path = re.split("[?#]", _USER.sub("", rest))[0]
    return f"{scheme}{slashes}{path.removesuffix('/')}"


def parts(url: str) -> SplitResult:
    """Return the parts of a URL.

    Raises:
        StorageError: if it has none.
    """
    try:
        return urlsplit(url)
    except ValueError:  # its text may have the password
        raise StorageError(f"{shown(url)}: is not a URL; check its spelling") from None
