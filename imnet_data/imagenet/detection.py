"""Published facts of DET, objects in images, and of VID, objects in video: classes and counts.

A class has a wnid, a name, and a number of each task: that of `meta_det.mat` (1 to 200), and that
of `meta_vid.mat` (1 to 30), which submissions and COCO files use. Numbers follow neither names nor
wnids. All classes of VID are classes of DET.

Source: ILSVRC2015 devkit, readme.txt (counts), data/map_det.txt and map_vid.txt (classes).
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

DET = "imagenet-det"
VID = "imagenet-vid"
TASKS = (DET, VID)  # names of datasets, as dataset.json has them


class Category(NamedTuple):
    """One class of a task."""

    number: int  # from 1
    wnid: str
    name: str


class PublishedSplit(NamedTuple):
    """What a complete split has."""

    image_count: int
    box_count: int  # in VID, of those that people drew
    snippet_count: int = 0


SPLITS = {
    DET: {
        "train": PublishedSplit(456_567, 478_807),
        "val": PublishedSplit(20_121, 55_502),
    },
    VID: {
        "train": PublishedSplit(1_122_397, 866_870, 3_862),
        "val": PublishedSplit(176_126, 135_949, 555),
    },
}


@functools.cache
def categories(task: str) -> tuple[Category, ...]:
    """Return the classes of a task, by number."""
    text = resources.files("imnet_data.imagenet").joinpath("data", "detection.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    found = [
        Category(int(number), wnid, name)
        for det, wnid, vid, name in rows
        if (number := det if task == DET else vid)
    ]
    return tuple(sorted(found))


@functools.cache
def number_of(task: str) -> dict[str, int]:
    """Map the wnid of each class of a task to its number."""
    return {each.wnid: each.number for each in categories(task)}


@functools.cache
def wnids(task: str) -> tuple[str, ...]:
    """Return the sorted wnids of the classes of a task: its class list."""
    return tuple(sorted(number_of(task)))


@functools.cache
def names() -> dict[str, str]:
    """Map the wnid of each class of DET, so of VID, to its name."""
    return {each.wnid: each.name for each in categories(DET)}
