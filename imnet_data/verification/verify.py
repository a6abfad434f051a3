"""Verifies a dataset: every file against SHA256SUMS, every record against the manifest.

All differences are reported. Each names a file of the dataset, so that `repair` knows what to make
again, and the record where there is one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from imnet_data import arguments
from imnet_data.dataset import description, index, index_file, layout, manifest, opened
from imnet_data.dataset.layout import LABELS, labels_tsv, summaries
from imnet_data.dataset.remote import is_remote_dataset
from imnet_data.errors import ManifestError
from imnet_data.formats import get
from imnet_data.imagenet import facts, labels
from imnet_data.imagenet.detection import TASKS
from imnet_data.machine import pool, ray_cluster
from imnet_data.machine.pool import Counter
from imnet_data.machine.progress import Step, no_progress
from imnet_data.storage import address
from imnet_data.storage.place import located
from imnet_data.verification import detection, files, tarballs
from imnet_data.verification.expected import expect
from imnet_data.verification.location import Folder, bucket
from imnet_data.verification.shard import Checking, Difference, FileJob, RecordsJob, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.description import Description
    from imnet_data.machine.progress import Progress
    from imnet_data.verification.expected import Expectation
    from imnet_data.verification.location import Location


def verify(
    path: StrPath,
    *,
    decode: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    progress: Progress = no_progress,
) -> list[Difference]:
    """Return all differences between what is at `path` and what it has to be.

    A dataset is compared with its own description; an official tarball, or each one in a folder,
    against the published size, hashes and contents.

    Args:
        path: the folder of a dataset, or its URL; a tarball, or a folder of tarballs.
        decode: whether every image of a dataset is decoded in full, too.
        workers: processes; by default one for each core.
        ray: the address of a Ray cluster whose machines all have `path`, or "auto"; its tasks
            check the shards then, and `workers` only read the manifests.
        progress: called several times a second.

    Raises:
        ManifestError: if dataset.json is missing or damaged; nothing can be said then.
        SourceError: if there is nothing at `path`.
        StorageError: if a store cannot be read.
        ClusterError: if Ray is asked for, and does not answer.
    """
    worker_count = pool.worker_count(workers)
    run = pool.processes(worker_count) if ray is None else ray_cluster.running(ray)
    if address.is_url(path) and not is_remote_dataset(str(path)):
        place = located(str(path))
        if found := tarballs.find(place):
            return tarballs.verify(place, found, progress, run if ray else None)
    if address.is_url(path):
        with bucket(str(path)) as (location, brought):
            differences = _verify(location, decode, worker_count, run, progress)
            return [each._replace(what=brought.named(each.what)) for each in differences]
    root = arguments.path("path", path)
    if ray is not None:
        root = root.absolute()
    if not opened.is_dataset(root) and (found := tarballs.find(root)):
        return tarballs.verify(root, found, progress, run if ray else None)
    return _verify(Folder(root), decode, worker_count, run, progress)


def _verify(
    location: Location, decode: bool, worker_count: int, run: pool.Run, progress: Progress
) -> list[Difference]:
    root = location.root
    about = description.read(root)
    sums, differences = files.read_sums(root, about)
    differences += _check_labels(root, about)
    expected: dict[str, Expectation] = {}
    for split in about.splits:
        progress(Step(f"manifest of {split}", 0, 1))
        try:
            expected[split] = expect(root / split, about.classes, workers=worker_count)
        except ManifestError as error:
            differences.append(Difference(f"{split}/{manifest.FILE_NAME}", str(error)))
            continue
        differences += _check_split(root, about, split, expected[split])
        differences += files.without_records(about, split, expected[split], sums)
    checking = Checking(location, about, expected, sums, decode, Counter())
    differences += files.check(checking)
    differences += _check_all(checking, run, progress)
    return sorted(set(differences))


def _check_all(checking: Checking, run: pool.Run, progress: Progress) -> list[Difference]:
    jobs = list(_jobs(checking))
    total = sum(split.record_count for split in checking.about.splits.values())
    shards = [shard for split in checking.about.splits.values() for shard in split.shards]
    total_nbytes = sum(shard.nbytes for shard in shards)

    def report() -> None:
        done, nbytes = checking.counter.done
        progress(Step("verify", done, total, nbytes, max(total_nbytes, nbytes)))

    results = run(partial(_check_here, checking), jobs, counter=checking.counter, poll=report)
    found = [difference for result in results for difference in result]
    report()
    return found


def _check_here(checking: Checking, job: FileJob | RecordsJob) -> list[Difference]:
    if isinstance(checking.location, Folder):
        ray_cluster.require_here(checking.location.root / description.FILE_NAME)
    return check(checking, job)


def _jobs(checking: Checking) -> Iterator[FileJob | RecordsJob]:
    """Yield a job for each shard, and one for each other file."""
    shards = set()
    for split in checking.expected:
        for number, shard in enumerate(checking.about.splits[split].shards):
            shards.add(f"{split}/{shard.name}")
            yield RecordsJob(split, number)
    others = (*layout.files(checking.about), *files.without_manifest(checking))
    yield from (FileJob(file) for file in others if file not in shards)


def _check_labels(root: Path, about: Description) -> list[Difference]:
    found = []
    path = root / LABELS
    if not path.is_file() or path.read_bytes() != labels_tsv(about.classes):
        found.append(Difference(LABELS, f"does not have the classes of {description.FILE_NAME}"))
    if (
        len(about.classes) == len(labels.ilsvrc2012())
        and labels.fingerprint(about.classes) != labels.WNIDS_SHA256
    ):
        found.append(
            Difference(description.FILE_NAME, "has 1000 classes, and not those of ILSVRC2012")
        )
    return found


def _check_split(
    root: Path, about: Description, split: str, expected: Expectation
) -> Iterator[Difference]:
    """Compare manifest, index, description and side files of a split with each other."""
    said, columns = about.splits[split], expected.columns
    file = f"{split}/{manifest.FILE_NAME}"
    if columns.digest != said.digest:
        yield Difference(file, f"its digest is not the one in {description.FILE_NAME}")
    counts = [(number, shard.record_count) for number, shard in enumerate(said.shards)]
    if _runs(columns.shard) != [(number, count) for number, count in counts if count]:
        yield Difference(file, f"its shards are not those of {description.FILE_NAME}")
    if expected.fixes != said.fixes:
        yield Difference(file, f"its fix-ups are not those of {description.FILE_NAME}")
    keys = np.sort(columns.key)  # np.unique takes three times the memory
    for key in np.unique(keys[1:][keys[1:] == keys[:-1]]):
        yield Difference(file, "is listed more than once", key.decode())
    del keys
    yield from _check_index(root, split, expected)
    yield from _check_known_counts(split, expected, about)
    yield from detection.check(root, about, split)
    for name, content in get(about.format).split_side_files(split, summaries(said)).items():
        path = root / split / name
        if not path.is_file() or path.read_bytes() != content:
            yield Difference(f"{split}/{name}", "does not describe the shards of the split")


def _runs(values: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Return each value that comes several times in a row, and how often."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    lengths = np.diff(starts, append=len(values))
    return list(zip(values[starts].tolist(), lengths.tolist(), strict=True))


def _check_index(root: Path, split: str, expected: Expectation) -> Iterator[Difference]:
    file = f"{split}/{index_file.FILE_NAME}"
    try:
        found = index_file.open_index(root / file)
    except ManifestError as error:
        yield Difference(file, str(error))
        return
    for name in index.Index._fields:
        if not np.array_equal(getattr(found, name), getattr(expected.columns, name)):
            yield Difference(file, f"its column {name} is not that of the manifest")


def _check_known_counts(
    split: str, expected: Expectation, about: Description
) -> Iterator[Difference]:
    """Compare a complete split of ILSVRC2012 with the published counts and labels."""
    columns = expected.columns
    published = facts.SPLITS.get(split) if about.name not in TASKS else None
    if published is None or published.class_counts is None:
        return
    if len(columns.key) != published.record_count:
        return
    file = f"{split}/{manifest.FILE_NAME}"
    least, most = published.class_counts[0], published.class_counts[-1]
    counts = np.bincount(columns.label, minlength=len(about.classes))
    for label in np.flatnonzero((counts < least) | (counts > most)):
        what = (
            f"{about.classes[label]} has {counts[label]} images, ILSVRC2012 has {least} to {most}"
        )
        yield Difference(file, what)
    if split == "val":
        wnids = (about.classes[label] for label in columns.label[np.argsort(columns.key)])
        if labels.fingerprint(wnids) != labels.VAL_WNIDS_SHA256:
            yield Difference(file, "its labels are not the published ones of the 50,000 val images")
