"""DALI's readers, on the CPU, each with the index that lies beside its shards."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from nvidia.dali import Pipeline, fn, tfrecord

from imnet_data.verification.readers import Returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from imnet_data.verification.readers import Split

_BATCH = 16
_IMAGE, _LABEL, _NAME = "image/encoded", "image/class/label", "image/filename"
# where DALI says that an image comes from; of a TFRecord that is but a number
_SOURCES = {
    "webdataset": re.compile(r".*\.tar:\d+:(.*)\.jpg"),
    "caffe": re.compile(r".* at key \d{8}_(.*)"),
    "folder": re.compile(r"(?:.*/)?(.*)\.JPEG"),
}


def read(split: Split) -> Iterator[Returned]:
    """Yield keys, labels and bytes, in stored order; of a folder, in order of class and key."""
    with TemporaryDirectory() as links:
        pipeline = Pipeline(_BATCH, num_threads=1, device_id=None)
        with pipeline:
            pipeline.set_outputs(*_outputs(split, Path(links)))
        pipeline.build()
        left = pipeline.reader_meta("reader")["epoch_size"]
        while left > 0:
            batch = pipeline.run()
            for row in range(min(left, _BATCH)):
                image, label, *name = (np.asarray(output[row]) for output in batch)
                key = _key(split, batch[0][row].source_info(), *name)
                yield Returned(key, _label(split, label), image.tobytes())
            left -= _BATCH


def _key(split: Split, source: str, name: NDArray[np.uint8] | None = None) -> str:
    if name is not None:
        return name.tobytes().decode().removesuffix(".JPEG")
    matched = _SOURCES[split.format].fullmatch(source)
    return matched[1] if matched else source


def _outputs(split: Split, links: Path) -> Any:
    paths = [str(path) for path in split.shards]
    if split.format == "webdataset":
        return fn.readers.webdataset(
            name="reader",
            paths=paths,
            index_paths=[str(path.with_suffix(".idx")) for path in split.shards],
            ext=["jpg", "cls"],
            missing_component_behavior="empty",
        )
    if split.format == "tfrecord":
        features = {
            _IMAGE: tfrecord.FixedLenFeature([], tfrecord.string, ""),
            _LABEL: tfrecord.FixedLenFeature([1], tfrecord.int64, 0),
            _NAME: tfrecord.FixedLenFeature([], tfrecord.string, ""),
        }
        found = fn.readers.tfrecord(
            name="reader",
            path=paths,
            index_path=[f"{path}.idx" for path in paths],
            features=features,
        )
        return [found[name] for name in features]
    if split.format == "caffe":
        for number, path in enumerate(split.shards):  # it wants folders that have a data.mdb
            (links / str(number)).mkdir()
            (links / str(number) / "data.mdb").symlink_to(path.absolute())
        folders = [str(links / str(number)) for number in range(len(split.shards))]
        return fn.readers.caffe(name="reader", path=folders)
    if not split.has_labels:  # DALI takes classes from folders, and here there are none
        files = [str(path) for path in sorted(split.directory.rglob("*.JPEG"))]
        return fn.readers.file(name="reader", files=files)
    return fn.readers.file(name="reader", file_root=str(split.directory))


def _label(split: Split, found: NDArray[Any]) -> int | None:
    if split.format == "webdataset":
        return int(found.tobytes() or -1)
    if not split.has_labels:  # DALI 2.4.0 returns 0, or of a TFRecord what was in memory
        return None
    return int(found[0]) - (split.format == "tfrecord")  # which count from 1
