"""The classes: wnid <-> integer conventions <-> words, and the labels of ILSVRC2012's val images.

The wnid is the only stored identity of a class. Integers are derived, by a named convention:

- `sorted`: 0 to 999, position among the sorted wnids (torchvision, timm, Keras, Caffe);
- `ilsvrc`: 1 to 1000, ILSVRC2012_ID of the devkit, in an order of its own;
- `tf`: `sorted` + 1, where 0 is a background class.
"""

from __future__ import annotations

import functools
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import zstandard

from imnet_data.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Convention = Literal["sorted", "ilsvrc", "tf"]

# of the lines, LF-terminated: the 1000 sorted wnids; the 50,000 val wnids in number order
WNIDS_SHA256 = "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15"
VAL_WNIDS_SHA256 = "313fc3f23c864dde9183c9a368809065765dd1b657a6904fded44e3e46d34604"

_WNID = re.compile(r"n\d{8}")


class Synset(NamedTuple):
    """One class of ILSVRC2012."""

    wnid: str
    ilsvrc_id: int  # 1 to 1000
    words: str


@functools.cache
def ilsvrc2012() -> tuple[Synset, ...]:
    """Return the 1000 classes of ILSVRC2012, sorted by wnid."""
    text = _package_data("ilsvrc2012.tsv").decode()
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    table = tuple(Synset(wnid, int(ilsvrc_id), words) for _, wnid, ilsvrc_id, words in rows)
    assert fingerprint(synset.wnid for synset in table) == WNIDS_SHA256
    return table


@functools.cache
def ilsvrc2012_wnids() -> tuple[str, ...]:
    """Return the 1000 sorted wnids of ILSVRC2012."""
    return tuple(synset.wnid for synset in ilsvrc2012())


@functools.cache
def val_wnids() -> tuple[str, ...]:
    """Return the wnids of ILSVRC2012's 50,000 val images, in number order (item 0 is image 1)."""
    packed = zstandard.decompress(_package_data("ilsvrc2012_val.u2.zst"))
    wnids = ilsvrc2012_wnids()
    table = tuple(wnids[index] for index in np.frombuffer(packed, "<u2"))
    assert fingerprint(table) == VAL_WNIDS_SHA256
    return table


def _package_data(name: str) -> bytes:
    return resources.files("imnet_data.imagenet").joinpath("data", name).read_bytes()


def is_wnid(text: str) -> bool:
    """Return whether `text` has the form of a wnid, "n" and eight digits."""
    return _WNID.fullmatch(text) is not None


def fingerprint(wnids: Iterable[str]) -> str:
    """Return the sha256 of the wnids as LF-terminated lines, in the order given."""
    return hashlib.sha256("".join(f"{wnid}\n" for wnid in wnids).encode()).hexdigest()


@functools.cache
def words_of() -> dict[str, str]:
    """Map each wnid of ILSVRC2012 to its words."""
    return {synset.wnid: synset.words for synset in ilsvrc2012()}


def integers(classes: Sequence[str], convention: Convention = "sorted") -> dict[str, int]:
    """Map each wnid of `classes`, a dataset's sorted class list, to its integer.

    Raises:
        LabelError: if `ilsvrc` is asked for a class that ILSVRC2012 does not have.
    """
    if convention == "sorted":
        return {wnid: index for index, wnid in enumerate(classes)}
    if convention == "tf":
        return {wnid: index + 1 for index, wnid in enumerate(classes)}
    if convention != "ilsvrc":
        raise ValueError(f"unknown convention {convention!r}; known: sorted, ilsvrc, tf")
    ids = {synset.wnid: synset.ilsvrc_id for synset in ilsvrc2012()}
    unknown = [wnid for wnid in classes if wnid not in ids]
    if unknown:
        raise LabelError(
            f"{unknown[0]} is not a class of ILSVRC2012, so it has no devkit id; "
            "use the convention `sorted`"
        )
    return {wnid: ids[wnid] for wnid in classes}
