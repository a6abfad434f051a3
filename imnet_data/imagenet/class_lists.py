"""Lists of classes by name: subsets of ILSVRC2012 that people use, and the label spaces' lists.

There is more than one list called ImageNet-100, so each name says whose it is.

Source: HobbitLong/CMC, imagenet100.txt (imagenet100-cmc); Labels.json of kaggle.com/datasets/
ambityga/imagenet100, as two public repositories repeat it (imagenet100-kaggle); fastai/imagenette,
README.md (imagenette, imagewoof).
"""

from __future__ import annotations

import functools
from importlib import resources

import zstandard

from imnet_data.imagenet import labels, variants

# name -> sha256 of its sorted wnids as lines
SUBSETS = {
    "imagenet100-cmc": "5ee5db69d488bb799a286d8e181801c3d02798776c1ce9203e5450f64e086e07",
    "imagenet100-kaggle": "86bc5c0b92179267729b4b1efc27c5cf14a321fdc3a689b3cc217a5c492a8a6b",
    "imagenette": "bbf5739ac32da1a75c7279e5d0df6b14017de2a5f5e99a3ddba915ede171741b",
    "imagewoof": "e0df343b334d68d2301c65f2c90bd60529d335360bd52130aff755513706bb34",
}
_OF_VARIANTS = ("imagenet-a", "imagenet-r")
NAMES = (*SUBSETS, *_OF_VARIANTS, "ilsvrc2012", *labels.LISTS)


def wnids(name: str) -> tuple[str, ...]:
    """Return the sorted wnids of a list.

    Raises:
        ValueError: if there is no list of this name.
    """
    if name in SUBSETS:
        return _subset(name)
    if name in _OF_VARIANTS:
        return variants.wnids(name)
    if name == "ilsvrc2012":
        return labels.ilsvrc2012_wnids()
    if name in labels.LISTS:
        return labels.wnids_of(name)
    raise ValueError(f"there is no list of classes called {name!r}; known: {', '.join(NAMES)}")


@functools.cache
def _subset(name: str) -> tuple[str, ...]:
    file = resources.files("imnet_data.imagenet").joinpath("data", "subsets.tsv.zst")
    rows = zstandard.decompress(file.read_bytes()).decode().splitlines()
    found = tuple(dict(row.split("\t") for row in rows)[name].split())
    assert labels.fingerprint(found) == SUBSETS[name]
    return found
