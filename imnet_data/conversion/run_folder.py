"""A folder on this machine for one run of a conversion to a store, which resumes from none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imnet_data.conversion.refused import FILE_NAME as REFUSED
from imnet_data.errors import ConvertError
from imnet_data.machine.temporary import TemporaryFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def made(parent: Path | None) -> Iterator[Path]:
    """Make a folder below `parent`, or the system's temporary folder; remove it at the end.

    Only a list of refused images stays.

    Raises:
        ConvertError: if it cannot be written.
    """
    try:
        with TemporaryFolder(parent, keeps=REFUSED) as folder:
            yield folder.path
    except OSError as error:
        where = error.filename or parent or "the folder for temporary files"
        raise ConvertError(
            f"{where}: cannot be written ({error.strerror or error}); make room there, or pass "
            "another folder as --stage"
        ) from error
