"""Files that are mapped into memory, which all processes that map them share."""

from __future__ import annotations

import mmap
import weakref
from typing import TYPE_CHECKING

from imnet_data.native import _native

if TYPE_CHECKING:
    from imnet_data.machine.open_file import OpenFile


def mapped(file: OpenFile) -> mmap.mmap:
    """Return a file's bytes, read-only; they stay as long as somebody holds a view of them.

    A page that is read after the file has shrunk has no bytes, which the system says by SIGBUS:
    then the process ends with exit status 1 and a line that names the file.

    Raises:
        OSError: if it cannot be mapped.
        ValueError: if it is empty.
    """
    content = mmap.mmap(file.descriptor, 0, access=mmap.ACCESS_READ)
    text = (
        f"Error: {file.path}: was cut short while it was in use; replace a dataset by renaming "
        "another over it, never in place\n"
    )
    number = _native.guard_mapping(content, text.encode())
    weakref.finalize(content, _native.unguard_mapping, number).atexit = False
    return content
