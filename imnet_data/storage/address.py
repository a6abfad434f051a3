"""URLs of object stores: which text is one, and how it is shown.

A URL may hold credentials (`https://user:password@...`, a signature in its query), so no message
has one as it was given: `shown` leaves out all but scheme, host and path.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

SCHEMES = ("s3", "gs", "az", "http", "https")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a Path has one slash left of a URL's two


def is_url(place: str | os.PathLike[str]) -> bool:
    """Return whether a place is a URL, if only a Path that was made of one."""
    return _URL.match(os.fspath(place)) is not None


def shown(url: str) -> str:
    """Return a URL without what may be secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/")
