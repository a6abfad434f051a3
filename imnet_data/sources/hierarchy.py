"""WordNet's hierarchy, from whatever file has it: a devkit, its meta.mat, or lines PARENT CHILD."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from imnet_data.archives.containers import GzippedTar, Tar
from imnet_data.errors import LabelError
from imnet_data.imagenet import hierarchy
from imnet_data.imagenet.hierarchy import Hierarchy
from imnet_data.sources import devkit

if TYPE_CHECKING:
    from pathlib import Path

    from imnet_data.sources.devkit import Devkit

_MAX_META_NBYTES = 1 << 24


def of_devkit(found: Devkit) -> Hierarchy:
    """Return the hierarchy of a devkit: that of the 1000 classes of ILSVRC2012.

    Raises:
        SourceError: if it is damaged.
    """
    words = {node.synset.wnid: node.synset.words for node in found.nodes}
    return Hierarchy(found.children(), origin=found.archive, words=words)


def read(path: Path) -> Hierarchy:
    """Return the hierarchy in a file.

    Raises:
        LabelError: if there is none in it.
        SourceError: if a devkit is damaged.
    """
    try:
        if path.name == devkit.META:
            return of_devkit(devkit.read_meta(path.read_bytes(), archive=str(path)))
        if ".tar" in path.suffixes or path.suffix == ".tgz":
            return _of_archive(path)
    except OSError as error:
        raise LabelError(f"{path}: cannot be read ({error.strerror})") from error
    return hierarchy.read(path)


def _of_archive(path: Path) -> Hierarchy:
    kind = Tar if path.suffix == ".tar" else GzippedTar
    with closing(kind(path)) as container:
        for entry in container.entries():
            if entry.path.rpartition("/")[2] == devkit.META and entry.nbytes <= _MAX_META_NBYTES:
                content = container.read(entry.place, entry.nbytes)
                return of_devkit(devkit.read_meta(content, archive=str(path)))
    raise LabelError(
        f"{path}: has no {devkit.META}; give ILSVRC2012_devkit_t12.tar.gz, or lines PARENT CHILD"
    )
