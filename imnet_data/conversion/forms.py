"""As what a format can store an image: what it cannot hold is refused before anything is read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imnet_data import formats
from imnet_data.errors import ConvertError

if TYPE_CHECKING:
    from imnet_data.dataset.description import Options


def check(options: Options, format_name: str) -> None:
    """Refuse what is asked for and the format cannot hold.

    Raises:
        ConvertError: with the formats that can.
    """
    module = formats.get(format_name)
    if options.raw and not module.PIXELS:
        holding = ", ".join(name for name in formats.FORMATS if formats.get(name).PIXELS)
        raise ConvertError(f"{format_name} cannot store pixels; leave out raw, or take {holding}")
    if options.jpeg == "packed" and not module.PACKED:
        holding = ", ".join(name for name in formats.FORMATS if formats.get(name).PACKED)
        raise ConvertError(
            f"{format_name} cannot mark packed JPEGs as such, so other tools would take them for "
            f"JPEGs; leave out jpeg, or take {holding}"
        )


def inherited(options: Options, format_name: str) -> Options:
    """Return the options of a dataset for its conversion, without a form that nobody asked for."""
    if options.jpeg == "packed" and not formats.get(format_name).PACKED:
        return dataclasses.replace(options, jpeg=None)
    return options
