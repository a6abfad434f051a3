"""Verifies official tarballs: published size and hashes, and what is in them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from imnet_data.errors import SourceError
from imnet_data.imagenet import facts
from imnet_data.machine import ray_cluster
from imnet_data.machine.pool import Counter
from imnet_data.machine.progress import Step
from imnet_data.sources import official
from imnet_data.verification.shard import Difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.machine.pool import Run
    from imnet_data.machine.progress import Progress
    from imnet_data.storage.place import Place

_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
_log = logging.getLogger("imnet_data")  # on stderr, unless it is sent elsewhere


def find(path: Place) -> list[Place]:
    """Return the tarballs at `path`: itself, or those of a folder that have a published name.

    Raises:
        SourceError: if there is nothing at `path`.
    """
    if path.is_dir():
        files = _files(path)
        return [file for file in files if facts.official_file(file.name) is not None]
    if not path.exists():
        raise SourceError(f"{path}: no such file or folder")
    return [path]


def _files(folder: Place) -> Sequence[Place]:
    if isinstance(folder, Path):
        return sorted(folder.iterdir())
    return [folder / name for name in folder.listed()[1]]


def verify(
    path: Place, tarballs: Sequence[Place], progress: Progress, run: Run | None = None
) -> list[Difference]:
    """Return all differences of the tarballs that `find` gave for `path`; `run` checks each."""
    for file in _files(path) if path.is_dir() else ():
        if file not in tarballs and file.name.endswith(_SUFFIXES):
            _log.warning(
                f"{file}: left out, because its name is not a published one; pass it by itself"
            )
    if path in tarballs and facts.official_file(path.name) is None:
        _log.warning(
            f"{path}: its name is not a published one, so there is no size or MD5 to compare "
            "with; only its contents are checked"
        )
    if run is None:
        found = {tarball: official.check_official(tarball, progress) for tarball in tarballs}
    else:
        found = _run(tarballs, progress, run)
    return [
        Difference(tarball.name if tarball != path else "", what)
        for tarball in tarballs
        for what in found[tarball]
    ]


def _run(tarballs: Sequence[Place], progress: Progress, run: Run) -> dict[Place, list[str]]:
    found: dict[Place, list[str]] = {}

    def report() -> None:
        progress(Step("verify tarballs", len(found), len(tarballs)))

    found.update(run(_check, tarballs, counter=Counter(), poll=report))
    report()
    return found


def _check(tarball: Place) -> tuple[Place, list[str]]:
    if isinstance(tarball, Path):
        ray_cluster.require_here(tarball)
    return tarball, official.check_official(tarball)
