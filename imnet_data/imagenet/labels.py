"""The classes: wnid <-> integers of a label space <-> words, and the labels of ILSVRC2012's val.

The wnid is the only stored identity of a class. Integers are derived, by a named label space:

- `sorted`: 0 to 999, position among the sorted wnids (torchvision, timm, Keras, Caffe);
- `ilsvrc`: 1 to 1000, ILSVRC2012_ID of the devkit, in an order of its own;
- `tf`: `sorted` + 1, where 0 is a background class;
- `22k`, `21k-goog`, `12k`, `21k-p`, `21k-p-w21`: position in a list of ImageNet-21k's classes;
- a file: position of the class's line.

Source of the lists: huggingface/pytorch-image-models, timm/data/_info/imagenet22k_synsets.txt,
imagenet21k_goog_, imagenet12k_, imagenet21k_miil_ and imagenet21k_miil_w21_synsets.txt. All are
sorted, and all are parts of `21k-goog`, so that one table holds them.
"""

from __future__ import annotations

import functools
import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import zstandard

from imnet_data.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONVENTIONS = ("sorted", "ilsvrc", "tf")
# name -> sha256 of its wnids as lines, in order
LISTS = {
    "22k": "0ae24538751973797b29d8dec412b2bdc61bc4ec3ecd081eba0735804236bbd2",
    "21k-goog": "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2",
    "12k": "f6483e79f18a9b670d43d915ddba40bbcaf82cfc4e92a07bd44057b9d44935f3",
    "21k-p": "cd76d977daaa2f13a4a91fca0f53713f2f29675308d4ce0f0ee0e5b07a3164c6",
    "21k-p-w21": "f49dde3d69946b8635586432f34f35985f807d168286ce5fde746aac3a7d94c8",
}

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


def integers(classes: Sequence[str], space: str = "sorted") -> dict[str, int]:
    """Map each wnid of `classes`, a dataset's sorted class list, to its integer in a label space.

    `sorted` and `tf` count the classes given. In a list, a class that it lacks is -1.

    Raises:
        LabelError: if `ilsvrc` is asked for a class that ILSVRC2012 does not have, if a list has
            none of the classes, or if a file is no list.
        ValueError: if there is no such label space.
    """
    if space == "sorted":
        return {wnid: index for index, wnid in enumerate(classes)}
    if space == "tf":
        return {wnid: index + 1 for index, wnid in enumerate(classes)}
    integer_of = {wnid: index for index, wnid in enumerate(wnids_of(space)) if wnid}
    unknown = [wnid for wnid in classes if wnid not in integer_of]
    if unknown and space == "ilsvrc":
        raise LabelError(
            f"{unknown[0]} is not a class of ILSVRC2012, so it has no devkit id; "
            "use the label space `sorted`"
        )
    if unknown and len(unknown) == len(classes):
        raise LabelError(f"the label space {space} has none of the {len(classes)} classes")
    return {wnid: integer_of.get(wnid, -1) for wnid in classes}


def label_count(classes: Sequence[str], space: str) -> int:
    """Return one more than the greatest integer of a label space: see `integers`."""
    if space in ("sorted", "tf"):
        return len(classes) + (space == "tf")
    return len(wnids_of(space))


@functools.lru_cache(maxsize=16)
def wnids_of(space: str) -> tuple[str, ...]:
    """Return the wnid of each integer of a label space, from 0 on; "" for one that is no class.

    `sorted`, `ilsvrc` and `tf` are those of the 1000 classes of ILSVRC2012.

    Raises:
        LabelError: if `space` is a file that is no list of wnids.
        ValueError: if there is no such label space.
    """
    if space == "sorted":
        return ilsvrc2012_wnids()
    if space == "tf":
        return ("", *ilsvrc2012_wnids())
    if space == "ilsvrc":
        by_id = sorted(ilsvrc2012(), key=lambda synset: synset.ilsvrc_id)
        return ("", *(synset.wnid for synset in by_id))
    if space in LISTS:
        return _listed(space)
    if not Path(space).is_file():
        raise ValueError(
            f"unknown label space {space!r}; known: {', '.join((*CONVENTIONS, *LISTS))}, or a file "
            "with a wnid on each line"
        )
    return _read_list(Path(space))


def _listed(name: str) -> tuple[str, ...]:
    packed = _package_data("imagenet21k.tsv.zst")
    head, *lines = zstandard.decompress(packed).decode().splitlines()
    column = head.split("\t").index(name)
    rows = (line.split("\t") for line in lines)
    wnids = tuple(row[0] for row in rows if row[column] == "1")
    assert fingerprint(wnids) == LISTS[name]
    return wnids


def _read_list(path: Path) -> tuple[str, ...]:
    remedy = "a label space has a wnid on each line, and each once"
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: cannot be read as text ({error}); {remedy}") from error
    wnids = tuple(line.partition(" ")[0].partition("\t")[0] for line in lines)
    seen: set[str] = set()
    for number, wnid in enumerate(wnids, 1):
        if not is_wnid(wnid) or wnid in seen:
            raise LabelError(f"{path}: line {number} is {lines[number - 1][:40]!r}; {remedy}")
        seen.add(wnid)
    if not wnids:
        raise LabelError(f"{path}: is empty; {remedy}")
    return wnids
