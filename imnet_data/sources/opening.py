"""Opens what a person names as a source: archives, folders, or a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data import formats, sources
from imnet_data.dataset import description, layout, opened
from imnet_data.dataset.remote import is_remote_dataset, open_remote
from imnet_data.errors import ConvertError
from imnet_data.machine.progress import no_progress
from imnet_data.machine.temporary import TemporaryFolder
from imnet_data.sources import Fetched
from imnet_data.sources.left_out import Reason
from imnet_data.storage import address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imnet_data.dataset.description import Description
    from imnet_data.dataset.remote import RemoteFiles
    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source
    from imnet_data.sources.listing import Listings


def open_any(
    paths: Sequence[Path | str],
    *,
    split: str | None = None,
    boxes: bool = False,
    labels: str | None = None,
    spool: Path | None = None,
    listings: Listings | None = None,
    progress: Progress = no_progress,
) -> Source:
    """Open sources, or one dataset as a source."""
    if not any(map(is_dataset, paths)):
        return sources.open_sources(
            paths,
            split=split,
            boxes=boxes,
            labels=labels,
            spool=spool,
            listings=listings,
            progress=progress,
        )
    root = paths[0]
    if len(paths) > 1:
        raise ConvertError("a dataset is converted by itself; pass it as the only SOURCE")
    if labels is not None:
        raise ConvertError(
            f"{address.shown(root)}: is a dataset, which has wnids; leave out --labels"
        )
    if isinstance(root, str):
        return _open_stored(root, split)
    return _of_dataset(root, split, None)


def is_dataset(place: Path | str) -> bool:
    """Return whether a place, which may be a URL, has a dataset."""
    return is_remote_dataset(place) if isinstance(place, str) else opened.is_dataset(place)


def _open_stored(url: str, split: str | None) -> Source:
    """Open a dataset in a store, of which records are read and no shard is kept."""
    folder = TemporaryFolder()
    try:
        remote = open_remote(url, folder.path, 0)
        about = description.read(remote.root)
        if formats.get(about.format).record_file is not None:
            raise ConvertError(
                f"{address.shown(url)}: has a file for each record, which is not read in a store; "
                "copy it to a disk with `imnet-data copy`, and convert that"
            )
        source = _of_dataset(remote.root, split, remote)
    except BaseException:
        folder.close()
        raise
    return source._replace(dataset=None, fetched=Fetched(remote.key, address.shown(url), folder))


def _of_dataset(root: Path, split: str | None, remote: RemoteFiles | None) -> Source:
    about = description.read(root)
    names = [layout.require_split(root, name, about.splits) for name in _names(about, split)]
    datasets = [opened.Dataset(root, name, about, remote) for name in names]
    where = str(root) if remote is None else address.shown(remote.url)
    return sources.Source(
        {dataset.split: dataset for dataset in datasets},
        about.classes,
        tuple(sources.SourceFile(*file) for file in about.sources),
        (),
        name=about.name,
        left_out={name: Reason(count, where) for name, count in about.left_out.items()},
        dataset=root,
    )


def _names(about: Description, split: str | None) -> Sequence[str]:
    return tuple(about.splits) if split is None else (split,)
