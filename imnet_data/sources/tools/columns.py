"""Which of a sample's named values is the image, which its label, its name and its class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from imnet_data.imagenet.labels import is_wnid

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABELS = ("label", "y", "cls", "class", "target")
_NO_LABELS = ("i", "id", "idx", "index", "width", "height")
_NAMES = ("filename", "file_name", "path", "name", "key", "__key__")
_WNIDS = ("wnid", "synset", "class_name", "class", "label")


class Column(NamedTuple):
    """One value of each sample."""

    name: str  # its number where it has none
    kind: Literal["image", "integer", "text", "other"]


class Chosen(NamedTuple):
    """The numbers of the columns that are read; None for what there is not."""

    image: int
    label: int | None
    name: int | None
    wnid: int | None


def chosen(columns: Sequence[Column]) -> Chosen:
    """Return which columns are read.

    Raises:
        ValueError: if there is not one image, or no integer that must be the label.
    """
    images = [at for at, column in enumerate(columns) if column.kind == "image"]
    if len(images) != 1:
        raise ValueError(f"needed is one column of encoded images; it has {_told(columns)}")
    integers = {column.name: at for at, column in enumerate(columns) if column.kind == "integer"}
    label = next((integers[name] for name in _LABELS if name in integers), None)
    if label is None:
        others = [at for name, at in integers.items() if name not in _NO_LABELS]
        if len(others) > 1:
            raise ValueError(
                f"which of its integers is the label is not known; it has {_told(columns)}; call "
                "the label's column label or y"
            )
        label = others[0] if others else None
    texts = {column.name: at for at, column in enumerate(columns) if column.kind == "text"}
    name = next((texts[name] for name in _NAMES if name in texts), None)
    return Chosen(images[0], label, name, next((texts[w] for w in _WNIDS if w in texts), None))


def _told(columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.name} ({column.kind})" for column in columns)[:200] or "none"


def named(name: str, wnid: str) -> str:
    """Return the name of an image, in the folder of its class if that is known."""
    return f"{wnid}/{name.rpartition('/')[2]}" if is_wnid(wnid) else name
