"""The devkit: its classes (`meta.mat`), and the ground truth of the val images.

`meta.mat` has a struct array `synsets` of leaves and inner nodes of WordNet; leaves have no
children and the ids 1 to 1000. Line k of the ground truth is the id of val image k.
Source: readme.txt of ILSVRC2012_devkit_t12.
"""

from __future__ import annotations

from typing import NamedTuple

from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.labels import Synset
from imnet_data.sources import matlab

META = "meta.mat"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"

_REMEDY = "give ILSVRC2012_devkit_t12.tar.gz, as image-net.org has it"


class Devkit(NamedTuple):
    """What a devkit says."""

    synsets: tuple[Synset, ...]  # the leaves, sorted by wnid

    @property
    def classes(self) -> tuple[str, ...]:
        """The sorted wnids."""
        return tuple(synset.wnid for synset in self.synsets)


def read_meta(content: bytes, *, archive: str) -> Devkit:
    """Read `meta.mat`.

    Raises:
        SourceError: if it is damaged, or its leaves are not classes of ILSVRC2012.
    """
    try:
        rows = matlab.struct_array(content, "synsets")
        leaves = [_leaf(row) for row in rows if _integer(row, "num_children") == 0]
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{archive}: {META} cannot be read: {error}; {_REMEDY}") from error
    official = {synset.wnid: synset.ilsvrc_id for synset in labels.ilsvrc2012()}
    for leaf in leaves:
        if official.get(leaf.wnid) != leaf.ilsvrc_id:
            raise SourceError(
                f"{archive}: wrong devkit: {leaf.wnid} has the id {leaf.ilsvrc_id}, "
                f"in ILSVRC2012 {official.get(leaf.wnid, 'it is no class')}; {_REMEDY}"
            )
    if not leaves or len({leaf.wnid for leaf in leaves}) < len(leaves):
        raise SourceError(f"{archive}: wrong devkit: no classes, or one twice; {_REMEDY}")
    return Devkit(tuple(sorted(leaves)))


def _leaf(row: dict[str, matlab.Value]) -> Synset:
    wnid, words = row.get("WNID"), row.get("words")
    if not isinstance(wnid, str) or not isinstance(words, str):
        raise ValueError("a synset has no WNID or no words")
    return Synset(wnid, _integer(row, "ILSVRC2012_ID"), words)


def _integer(row: dict[str, matlab.Value], field: str) -> int:
    value = row.get(field)
    if value is None or isinstance(value, str) or value.size != 1:
        raise ValueError(f"a synset has no number {field}")
    return int(value.item())


def read_ground_truth(content: bytes, *, archive: str, devkit: Devkit | None) -> tuple[str, ...]:
    """Return the wnid of each val image, in number order (item 0 is image 1).

    Args:
        content: the lines.
        archive: where they are from, for errors.
        devkit: whose ids they are; None for the ids of ILSVRC2012.

    Raises:
        SourceError: if a line is not the id of a class.
    """
    synsets = labels.ilsvrc2012() if devkit is None else devkit.synsets
    wnids = {str(synset.ilsvrc_id).encode(): synset.wnid for synset in synsets}
    lines = content.split()
    for number, line in enumerate(lines, 1):
        if line not in wnids:
            raise SourceError(
                f"{archive}: wrong devkit: line {number} of the ground truth, {line[:20]!r}, "
                f"is not the id of one of its {len(wnids)} classes; {_REMEDY}"
            )
    return tuple(wnids[line] for line in lines)
