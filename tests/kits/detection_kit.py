"""Small DET and VID sets, and what is known of them without reading them."""

from pathlib import Path

import opened_sources

from imnet_data import convert
from imnet_data.dataset.description import NOTHING_ASKED, Description, Options
from imnet_data.record import Record, Scene
from imnet_data.synth.detection import Layout, Task, synth_detection

LAYOUTS: tuple[tuple[Task, Layout], ...] = (
    ("det", "archive"),
    ("det", "tree"),
    ("det", "2014"),
    ("vid", "archive"),
    ("vid", "tree"),
)


def made(folder: Path, task: Task, layout: Layout = "tree") -> Path:
    """Write a set below a folder, unless it is there; return the SOURCE that it is."""
    out = folder / f"{task}-{layout}"
    if not out.exists():
        synth_detection(out, task, layout=layout)
    return out


def records(source: Path, spool: Path | None = None) -> dict[str, list[Record]]:
    return opened_sources.read(source, spool=spool)


def scene(record: Record) -> Scene:
    assert record.scene is not None
    return record.scene


def converted(
    source: Path,
    out: Path,
    *,
    format: str = "webdataset",
    split: str | None = None,
    options: Options = NOTHING_ASKED,
) -> Description:
    return convert(source, out, format=format, split=split, options=options, workers=1)
