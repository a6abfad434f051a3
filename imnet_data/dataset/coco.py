"""`annotations.coco.json` of a split of DET or VID: COCO's, with LVIS's and CocoVID's fields.

    images       id: 1 + number of the record; file_name: as format `folder` names it; width, height
                 DET  neg_category_ids: verified absent; not_exhaustive_category_ids: not all boxed,
                      or blacklisted. Of a class in neither, and without a box, nothing is known.
                 VID  video_id; frame_id: position among the frames of the video that are here;
                      published_frame; is_vid_train_frame: whether the split is train
                 number: that submissions call the image by, where it has one
    annotations  id, image_id, category_id, bbox, area, iscrowd: 0; DET: subcategory where published
                 VID  video_id, instance_id (from 1, the same for a thing in all frames of a video),
                      occluded, generated
    videos       id, name, vid_train_frames (all of them in train), category_ids (of train)
    categories   id: the devkit's number; name; encode_name and synset: the wnid; and what LVIS has:
                 image_count, instance_count, frequency (r, c, f: up to 10, 100 and more images)

A bbox is [xmin, ymin, xmax - xmin, ymax - ymin] of the published corners, as mmtracking converts
them, in pixels of the stored image. All images of val and test have all classes verified (devkit);
those of train as the image sets say. Written in several passes over the manifest, so that memory
does not grow with the number of images.

Source: open-mmlab/mmtracking, tools/convert_datasets/ilsvrc/imagenet2coco_vid.py and
mmtrack/datasets/parsers/coco_video_parser.py; lvis-dataset/lvis-api, lvis/lvis.py.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from imnet_data.imagenet.detection import DET, VID, categories, number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imnet_data.dataset.manifest import Entry
    from imnet_data.record import Object, Scene

_encode = json.JSONEncoder(separators=(",", ":")).encode
_SUFFIX = ".JPEG"
_MOST_IMAGES = {"r": 10, "c": 100}  # of a class, by LVIS's letter of its frequency
_PIECE_LINES = 1024


def pieces(entries: Callable[[], Iterable[Entry]], *, task: str, split: str) -> Iterator[bytes]:
    """Yield the bytes of the file.

    Args:
        entries: gives the lines of the manifest from the start, each time it is called.
        task: name of the dataset.
        split: name of the split.
    """
    return _joined(_lines(entries, task, split))


def _joined(lines: Iterable[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) == _PIECE_LINES:
            yield "".join(waiting).encode()
            waiting = []
    yield "".join(waiting).encode()


def _lines(entries: Callable[[], Iterable[Entry]], task: str, split: str) -> Iterator[str]:
    yield f'{{"info":{_encode({"description": f"{task}, {split}"})},"licenses":[],\n'
    is_video = task == VID
    counts = _Counts()
    images = _frames(entries(), split) if is_video else _images(entries(), split)
    yield from _list("images", counts.watch(images))
    if is_video:
        yield from _list("videos", _videos(entries(), split))
    yield from _list("annotations", _annotations(entries(), task))
    yield from _list("categories", counts.categories(task), end="\n]}\n")


def _list(name: str, items: Iterable[dict[str, Any]], end: str = "\n],\n") -> Iterator[str]:
    before = f'"{name}":[\n'
    for item in items:
        yield f"{before}{_encode(item)}"
        before = ",\n"
    yield f"{before}{end.lstrip()}" if before.endswith("[\n") else end


def _scene(entry: Entry) -> Scene:
    if entry.scene is None:
        raise ValueError(f"{entry.key}: has no scene, which a record of DET or VID has")
    return entry.scene


class _Counts:
    """How many images and boxes each class has."""

    def __init__(self) -> None:
        self._images: Counter[str] = Counter()
        self._boxes: Counter[str] = Counter()

    def watch(self, images: Iterable[tuple[dict[str, Any], Scene]]) -> Iterator[dict[str, Any]]:
        for image, scene in images:
            wnids = [each.wnid for each in scene.objects]
            self._boxes.update(wnids)
            self._images.update({*wnids})
            yield image

    def categories(self, task: str) -> Iterator[dict[str, Any]]:
        for number, wnid, name in categories(task):
            count = self._images[wnid]
            letters = (letter for letter, most in _MOST_IMAGES.items() if count <= most)
            yield {
                "id": number,
                "name": name,
                "encode_name": wnid,
                "synset": wnid,
                "image_count": count,
                "instance_count": self._boxes[wnid],
                "frequency": next(letters, "f"),
            }


def _image(at: int, entry: Entry, scene: Scene) -> dict[str, Any]:
    image: dict[str, Any] = {
        "id": at + 1,
        "file_name": f"{entry.key}{_SUFFIX}",
        "width": entry.width,
        "height": entry.height,
    }
    return image | ({"number": scene.number} if scene.number else {})


def _images(entries: Iterable[Entry], split: str) -> Iterator[tuple[dict[str, Any], Scene]]:
    for at, entry in enumerate(entries):
        scene = _scene(entry)
        absent, partly = _known(scene, split)
        yield (
            _image(at, entry, scene)
            | {"neg_category_ids": absent, "not_exhaustive_category_ids": partly},
            scene,
        )


def _known(scene: Scene, split: str) -> tuple[list[int], list[int]]:
    """Return the classes that are verified absent, and those that are not all boxed."""
    numbers = number_of(DET)
    said = dict(scene.labels)
    if split != "train":  # "each of these images has been fully annotated"
        there = {each.wnid for each in scene.objects}
        said = {wnid: 1 if wnid in there else -1 for wnid in numbers} if split == "val" else {}
    said |= dict.fromkeys(scene.ignored, 0)
    absent, partly = (
        sorted(numbers[wnid] for wnid, value in said.items() if value == wanted)
        for wanted in (-1, 0)
    )
    return absent, partly


def _frames(entries: Iterable[Entry], split: str) -> Iterator[tuple[dict[str, Any], Scene]]:
    videos = _Videos()
    for at, entry in enumerate(entries):
        scene = _scene(entry)
        video = videos.number(scene)
        image = _image(at, entry, scene) | {
            "video_id": video,
            "frame_id": videos.position,
            "published_frame": scene.frame,
            "is_vid_train_frame": split == "train",
        }
        yield image, scene


class _Videos:
    """Numbers of videos and of things in them, in the order that they come in."""

    def __init__(self) -> None:
        self._snippet = ""
        self._number = 0
        self._instances: dict[int, int] = {}
        self._instance_count = 0
        self.position = 0  # of the frame in its video

    def number(self, scene: Scene) -> int:
        """Return the number of the video of the next frame, from 1."""
        self.position += 1
        if scene.snippet != self._snippet:
            self._snippet, self._instances, self.position = scene.snippet, {}, 0
            self._number += 1
        return self._number

    def instance(self, track: int) -> int:
        """Return the number of a thing of the current video, from 1."""
        if track not in self._instances:
            self._instance_count += 1
            self._instances[track] = self._instance_count
        return self._instances[track]


def _videos(entries: Iterable[Entry], split: str) -> Iterator[dict[str, Any]]:
    videos, numbers = _Videos(), number_of(VID)
    video: dict[str, Any] = {}
    for entry in entries:
        scene = _scene(entry)
        number = videos.number(scene)
        if number != video.get("id"):
            if video:
                yield video
            video = {"id": number, "name": scene.snippet, "vid_train_frames": []}
            if scene.labels:
                video["category_ids"] = sorted(numbers[wnid] for wnid, _ in scene.labels)
        if split == "train":
            video["vid_train_frames"].append(videos.position)
    if video:
        yield video


def _annotations(entries: Iterable[Entry], task: str) -> Iterator[dict[str, Any]]:
    numbers, videos, count = number_of(task), _Videos(), 0
    for at, entry in enumerate(entries):
        scene = _scene(entry)
        video = {"video_id": videos.number(scene)} if task == VID else {}
        for box, each in zip(entry.boxes, scene.objects, strict=True):
            count += 1
            width, height = box.xmax - box.xmin, box.ymax - box.ymin
            yield {
                "id": count,
                "image_id": at + 1,
                "category_id": numbers[each.wnid],
                "bbox": [box.xmin, box.ymin, width, height],
                "area": width * height,
                "iscrowd": 0,
                **video,
                **(_tracked(each, videos) if task == VID else _bred(each)),
            }


def _bred(each: Object) -> dict[str, Any]:
    return {"subcategory": each.subcategory} if each.subcategory else {}


def _tracked(each: Object, videos: _Videos) -> dict[str, Any]:
    return {
        "instance_id": videos.instance(each.track),
        "occluded": each.occluded,
        "generated": each.generated,
    }
