"""Examples at the end of a command's --help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return an epilog that shows command lines as they stand, one per line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
