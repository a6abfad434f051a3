"""Where the parts of a conversion meet: `OUT/.part/shared`, without any lock.

Of the file system, only this is relied on, which NFS has as well: to rename either happens or does
not, and a folder cannot be renamed to one with something in it. So the first part to come puts the
plan in place, together with the folders that all write to; nobody makes these again. Each run works
in a folder of its own, `OUT/.part/attempts/...`, and renames what is whole and on disk. Two runs
may do the same: a shard is a function of the plan, so both rename the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data.conversion import journal, shared_plan, staging
from imnet_data.conversion.refused import FILE_NAME as REFUSED
from imnet_data.conversion.written import ShardJob, jobs, journal_path
from imnet_data.dataset import opened
from imnet_data.dataset.layout import LABELS, SUMS
from imnet_data.errors import ConvertError
from imnet_data.machine import files
from imnet_data.sources.listing import Listings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imnet_data.conversion.shard import Writing
    from imnet_data.conversion.shared_plan import SharedPlan

_ATTEMPTS = 20  # to make a folder in one that another run removes as it is empty


class Place(NamedTuple):
    """The folder that parts write to."""

    out: Path

    @property
    def stage(self) -> Path:
        """Where all lies that is not finished."""
        return self.out / staging.NAME

    @property
    def attempts(self) -> Path:
        """Where each run has a folder of its own."""
        return self.stage / "attempts"

    @property
    def shared(self) -> Path:
        """Where the plan and all that is done is; it is there with the plan, or not at all."""
        return self.stage / staging.SHARED

    @property
    def plan(self) -> Path:
        """The file of the plan."""
        return self.shared / shared_plan.FILE_NAME

    @property
    def journals(self) -> Path:
        """Where the journals of shards that are done are."""
        return self.shared / "journals"

    @property
    def listings(self) -> Path:
        """What the run that put the plan here has found in archives, for the others."""
        return self.shared / staging.LISTINGS


def listings(place: Place, folder: Path) -> Listings:
    """Return where a run finds listings, and keeps its own in its folder if it may be the first."""
    return Listings(place.listings, None if place.plan.exists() else folder / staging.LISTINGS)


def is_shared(out: Path) -> bool:
    """Return whether parts of a conversion are, or were, written at `out`."""
    return Place(out).plan.is_file()


@contextmanager
def attempt(place: Place, name: str, *, takes_over: bool = False) -> Iterator[Path]:
    """Make a folder for this run alone; if it `takes_over`, remove those of runs of that name.

    Raises:
        ConvertError: if `out` has other things in it, or cannot be written.
    """
    try:
        _refuse_strangers(place)
        for left in place.attempts.glob(f"{name}.*") if takes_over else ():
            shutil.rmtree(left, ignore_errors=True)  # the last run of a part removes it again
        folder = _new_folder(place, name)
        try:
            yield folder
        except FileNotFoundError as error:
            if not _is_overtaken(place, folder):
                raise
            raise ConvertError(
                f"{place.out}: another run of the same part has begun since, or the parts are "
                "joined already, so this run has ended; run the same command again to see which"
            ) from error
        finally:
            _remove_unused(place, folder)
    except OSError as error:
        raise ConvertError(
            f"{place.out}: cannot be written ({error.strerror or error}); choose another OUT, or "
            "make it a folder that you may write to, on a disk with room"
        ) from error


def _new_folder(place: Place, name: str) -> Path:
    for _ in range(_ATTEMPTS):
        place.attempts.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return Path(tempfile.mkdtemp(prefix=f"{name}.", dir=place.attempts))
    raise ConvertError(f"{place.attempts}: is removed again and again; is OUT on a sound disk?")


def _is_overtaken(place: Place, folder: Path) -> bool:
    """Return whether what a run works on is gone, as another run has removed or moved it."""
    if not folder.exists() or not is_shared(place.out):
        return True
    return not all((place.shared / split).is_dir() for split in shared_plan.read(place.plan).splits)


def _remove_unused(place: Place, folder: Path) -> None:
    """Remove the folder of a run, unless it lists refused images, and those that are empty then."""
    if not (folder / REFUSED).exists():
        shutil.rmtree(folder, ignore_errors=True)
    for empty in (place.attempts, place.stage, place.out):
        with contextlib.suppress(OSError):  # there is something in it
            empty.rmdir()


def _refuse_strangers(place: Place) -> None:
    """Refuse a folder with things in it that no part put there."""
    if not place.out.exists() or opened.is_dataset(place.out):
        return
    names = {path.name for path in place.out.iterdir()} - {staging.NAME}
    if is_shared(place.out):  # a run may have been stopped while it moved things into place
        names -= {*shared_plan.read(place.plan).splits, LABELS, SUMS}
    elif place.stage.exists():
        ours = {place.attempts.name, place.shared.name}
        if {path.name for path in place.stage.iterdir()} - ours:
            raise ConvertError(
                f"{place.out}: contains an unfinished conversion that is no part of several; run "
                f"its command without --part, or remove {place.stage} to discard it"
            )
    if names:
        raise ConvertError(
            f"{place.out}: is neither empty (there is {min(names)}) nor a dataset; choose another "
            "OUT"
        )


def agree(place: Place, plan: SharedPlan, folder: Path, identities: dict[str, str]) -> None:
    """Put the plan in place, or compare it with the one that another part has put there.

    Raises:
        ConvertError: if this part would do something else.
    """
    if not place.plan.exists():
        new = folder / "new"
        for name in (*plan.splits, place.journals.name):
            (new / name).mkdir(parents=True)
        if (listings := folder / staging.LISTINGS).exists():
            listings.rename(new / staging.LISTINGS)
        files.write_whole(new / shared_plan.FILE_NAME, plan.to_bytes())
        try:
            new.rename(place.shared)
        except OSError:
            if not place.plan.exists():  # else another part was first
                raise
        else:
            if opened.is_dataset(place.out):  # it was joined, and its stage removed, meanwhile
                shutil.rmtree(place.shared)
                return
    shared_plan.require_same(place.plan, plan, identities)


def publish(place: Place, writing: Writing, job: ShardJob) -> None:
    """Bring a shard, and then its journal, from this run's folder to where all parts find it."""
    made = writing.stage / job.split
    found = [path for path in sorted(made.rglob("*")) if path.is_file()]
    sync_each = writing.format.record_file is None
    if not sync_each:
        staging.sync_disk_of(writing.stage)
    for path in found:
        target = place.shared / job.split / path.relative_to(made)
        for parent in reversed(target.relative_to(place.shared / job.split).parents[:-1]):
            (place.shared / job.split / parent).mkdir(exist_ok=True)
        bring(path, target, sync=sync_each)
    for path in journal.files(writing.journal(job)):
        bring(path, place.journals / path.name)


def bring(path: Path, target: Path, *, sync: bool = True) -> None:
    """Rename a file that is whole, once it is on the disk."""
    if sync:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    path.rename(target)


def is_done(place: Place, job: ShardJob) -> bool:
    """Return whether a shard and its journal are as they were written, by their sizes and hashes.

    Of a shard that is moved to its final place already, it is the same.
    """
    path = journal_path(place.journals, job)
    if not journal.is_whole(path):
        return False
    head = journal.read_head(path)
    found = (folder / job.split / head.name for folder in (place.shared, place.out))
    return not head.name or any(
        file.is_file() and file.stat().st_size == head.nbytes for file in found
    )


def missing(place: Place, plan: SharedPlan) -> list[ShardJob]:
    """Return the shards that are still to be written."""
    return [job for job in jobs(plan.splits) if not is_done(place, job)]


def have_ended(place: Place, plan: SharedPlan, part: str) -> bool:
    """Note that a part is done; return whether that makes all shards there are.

    The note is made in the folder that is listed next, as that has an NFS client forget what it
    believes to be there: so the last of several parts that end at a time sees all shards.
    """
    files.write_whole(place.journals / f"{part}.done", b"")
    there = {path.name for path in place.journals.iterdir()}
    return all(journal_path(place.journals, job).name in there for job in jobs(plan.splits))


def part_name(number: int, count: int) -> str:
    """Name a part in a way that sorts."""
    return f"{number:05d}-of-{count:05d}"


def part_counts(place: Place) -> set[int]:
    """Return into how many parts the work was cut, by those that have begun or ended."""
    names = [path.name for folder in (place.journals, place.attempts) for path in _in(folder)]
    counts = (name.partition("-of-")[2].partition(".")[0] for name in names)
    return {int(count) for count in counts if count.isdecimal()}


def _in(folder: Path) -> Iterable[Path]:
    return folder.iterdir() if folder.is_dir() else ()


def remove(place: Place) -> None:
    """Remove what parts have left beside a dataset that is joined."""
    for folder in (place.shared, place.attempts):
        shutil.rmtree(folder, ignore_errors=True)  # a run that ends later may still write there
    with contextlib.suppress(OSError):
        place.stage.rmdir()
