"""What only DET and VID have: annotations.coco.json, and published counts of boxes and snippets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.dataset import coco, manifest
from imnet_data.dataset.layout import COCO
from imnet_data.errors import ManifestError
from imnet_data.imagenet.detection import SPLITS, TASKS, VID
from imnet_data.verification.shard import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from imnet_data.dataset.description import Description
    from imnet_data.dataset.manifest import Entry


def check(root: Path, about: Description, split: str) -> Iterator[Difference]:
    """Compare the COCO file with the manifest, and a complete split with the published counts."""
    if about.name not in TASKS:
        return
    path = root / split / manifest.FILE_NAME
    file = f"{split}/{COCO}"
    try:
        made = coco.pieces(lambda: manifest.read(path), task=about.name, split=split)
        if not _has(root / file, made):
            yield Difference(file, f"does not have the records of {manifest.FILE_NAME}")
    except (ValueError, KeyError) as error:  # the manifest is whole, and says what cannot be
        yield Difference(f"{split}/{manifest.FILE_NAME}", f"is not of {about.name} ({error})")
        return
    yield from _check_counts(about, split, manifest.read(path))


def _has(path: Path, pieces: Iterable[bytes]) -> bool:
    """Return whether a file has these bytes and no others."""
    try:
        with path.open("rb") as file:
            return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)
    except OSError:
        return False


def _check_counts(about: Description, split: str, entries: Iterable[Entry]) -> Iterator[Difference]:
    published = SPLITS[about.name].get(split)
    said = about.splits[split]
    if published is None or said.record_count != published.image_count:
        return
    boxes, snippets = 0, set[str]()
    for entry in entries:
        scene = entry.scene
        if scene is None:
            raise ManifestError(f"{entry.key}: has no scene")
        boxes += sum(not each.generated for each in scene.objects)
        snippets.add(scene.snippet)
    file = f"{split}/{manifest.FILE_NAME}"
    if boxes != published.box_count:
        kind = "boxes that people drew" if about.name == VID else "boxes"
        yield Difference(file, f"has {boxes:,} {kind}, {about.name} has {published.box_count:,}")
    if about.name == VID and len(snippets) != published.snippet_count:
        yield Difference(
            file, f"has {len(snippets):,} snippets, {about.name} has {published.snippet_count:,}"
        )
