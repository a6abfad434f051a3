"""The devkit: its classes (`meta.mat`), and the ground truth of the val images.

`meta.mat` has a struct array `synsets` of leaves and inner nodes of WordNet: ids, wnids, words and
the ids of children. Leaves have no children and the ids 1 to 1000. Line k of the ground truth is
the id of val image k.
Source: readme.txt of ILSVRC2012_devkit_t12.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import numpy as np

from imnet_data.errors import SourceError
from imnet_data.imagenet import labels
from imnet_data.imagenet.labels import Synset
from imnet_data.sources import matlab

META = "meta.mat"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"

_REMEDY = "pass ILSVRC2012_devkit_t12.tar.gz, as published on image-net.org"


class Node(NamedTuple):
    """A leaf or an inner node."""

    synset: Synset
    children: tuple[int, ...]  # their ids


class Devkit(NamedTuple):
    """What a devkit says."""

    archive: str  # where it is from, for errors
    synsets: tuple[Synset, ...]  # the leaves, sorted by wnid
    nodes: tuple[Node, ...]  # all, as `meta.mat` has them

    @property
    def classes(self) -> tuple[str, ...]:
        """The sorted wnids."""
        return tuple(synset.wnid for synset in self.synsets)

    def children(self) -> dict[str, tuple[str, ...]]:
        """Map the wnid of each node, the leaves' too, to those of its children.

        A node may be the child of several.

        Raises:
            SourceError: if a child is not there, or a node is below itself.
        """
        wnids = {node.synset.ilsvrc_id: node.synset.wnid for node in self.nodes}
        try:
            found = {
                node.synset.wnid: tuple(wnids[child] for child in node.children)
                for node in self.nodes
            }
            TopologicalSorter(found).prepare()
        except KeyError as error:
            reason = f"no synset has the id {error}, which is that of a child"
            raise SourceError(f"{self.archive}: {META}: {reason}; {_REMEDY}") from error
        except CycleError as error:
            reason = f"{error.args[1][0]} is below itself"
            raise SourceError(f"{self.archive}: {META}: {reason}; {_REMEDY}") from error
        return found


def read_meta(content: bytes, *, archive: str) -> Devkit:
    """Read `meta.mat`.

    Raises:
        SourceError: if it is damaged, or its leaves are not classes of ILSVRC2012.
    """
    try:
        nodes = tuple(_node(row) for row in matlab.struct_array(content, "synsets"))
    except (ValueError, OverflowError) as error:
        raise SourceError(f"{archive}: {META} cannot be read: {error}; {_REMEDY}") from error
    leaves = [node.synset for node in nodes if not node.children]
    official = {synset.wnid: synset.ilsvrc_id for synset in labels.ilsvrc2012()}
    for leaf in leaves:
        if official.get(leaf.wnid) != leaf.ilsvrc_id:
            raise SourceError(
                f"{archive}: wrong devkit: {leaf.wnid} has the id {leaf.ilsvrc_id}, "
                f"in ILSVRC2012 {official.get(leaf.wnid, 'it is not a class')}; {_REMEDY}"
            )
    if not leaves or len({leaf.wnid for leaf in leaves}) < len(leaves):
        raise SourceError(f"{archive}: wrong devkit: no classes, or one twice; {_REMEDY}")
    return Devkit(archive, tuple(sorted(leaves)), nodes)


def _node(row: dict[str, matlab.Value]) -> Node:
    wnid, words, children = row.get("WNID"), row.get("words"), row.get("children")
    if not isinstance(wnid, str) or not isinstance(words, str):
        raise ValueError("a synset has no WNID or no words")
    count = _integer(row, "num_children")
    if not isinstance(children, np.ndarray) or not 0 <= count <= len(children):
        raise ValueError(f"{wnid} does not have the children that it says it has")
    below = tuple(int(child) for child in children[:count])
    return Node(Synset(wnid, _integer(row, "ILSVRC2012_ID"), words), below)


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
