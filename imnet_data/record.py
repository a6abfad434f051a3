"""The nouns that everything passes around: Record, what is on it, and a sequence, Records."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Box(NamedTuple):
    """A bounding box in pixels of the stored image, as published: corners, both inside the box."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int


class Object(NamedTuple):
    """What a box of DET or VID is around, as published."""

    wnid: str  # one of the 200 classes of DET, or of the 30 of VID
    subcategory: str = ""  # where train images of DET say more, such as a breed
    track: int = -1  # VID: the same for the same thing in all frames of a snippet
    occluded: bool = False
    generated: bool = False  # drawn by a tracker, not by a person


class Scene(NamedTuple):
    """What is published of an image of DET or VID besides its boxes."""

    objects: tuple[Object, ...] = ()  # one per box, in the same order
    # of the classes that are named, all others are unknown: 1 all instances have boxes, 0 not all
    # have, -1 there is none; sorted; in VID, of the whole snippet
    labels: tuple[tuple[str, int], ...] = ()
    ignored: tuple[str, ...] = ()  # sorted wnids that are not scored here: the blacklist
    number: int = 0  # that a submission calls the image by; 0 where there is none
    snippet: str = ""  # VID
    frame: int = -1  # of the snippet, from 0

    def to_json(self) -> dict[str, Any]:
        """Return what is not the default; an object is a list without defaults at its end."""
        told = {name: value for name, value in self._asdict().items() if value != _UNSAID[name]}
        if self.objects:
            told["objects"] = [_short(each) for each in self.objects]
        return told

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Scene":
        """Return the scene of `to_json`; TypeError or ValueError if it is none."""
        scene = cls(**told)._replace(
            objects=tuple(Object(*each) for each in told.get("objects", ())),
            labels=tuple((wnid, value) for wnid, value in told.get("labels", ())),
            ignored=tuple(told.get("ignored", ())),
        )
        if any(tuple(map(type, each)) != (str, str, int, bool, bool) for each in scene.objects):
            raise TypeError("an object has a value of another type")
        if any(type(wnid) is not str or value not in (1, 0, -1) for wnid, value in scene.labels):
            raise ValueError("a label is not a wnid with 1, 0 or -1")
        numbers = (type(scene.number), type(scene.snippet), type(scene.frame))
        if numbers != (int, str, int) or not all(type(wnid) is str for wnid in scene.ignored):
            raise TypeError("a number or a text of a scene has another type")
        return scene


_UNSAID = Scene()._asdict()


def _short(each: Object) -> list[Any]:
    values = list(each)
    while len(values) > 1 and values[-1] == Object._field_defaults[Object._fields[len(values) - 1]]:
        values.pop()
    return values


class Record(NamedTuple):
    """One image, not decoded: as published, unless `fix` says what was done."""

    key: str  # unique in its split, no dot and no slash: "n01440764_10026"
    wnid: str  # "" where the label was never published (the test split)
    jpeg: bytes
    boxes: tuple[Box, ...] = ()  # empty where there are none, or none were asked for
    fix: str = ""  # what was done to the published bytes, in the words of the manifest
    scene: Scene | None = None  # of an image of DET or VID


class Listing(NamedTuple):
    """What is known of all records before any image is read; rows are in the order of Records."""

    keys: NDArray[np.bytes_]  # S[count], ASCII
    wnids: NDArray[np.bytes_]  # S[count], ASCII; b"" where there is no label
    nbytes: NDArray[np.int64]  # size of each image's file as published, whatever was done to it


class Records(Protocol):
    """A sized, random-access sequence of Record; a source and an opened dataset are both one.

    Records can be used from forked processes: whatever cannot cross a fork is opened on first
    use in each process. They can be pickled for processes that see the same files.
    """

    @property
    def listing(self) -> Listing:
        """Keys, wnids and sizes of all records, without reading an image."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Record: ...

    def close(self) -> None:
        """Close files; the object cannot be read afterwards."""
