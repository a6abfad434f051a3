"""Writes one shard of a plan: a pure function of its records and the options.

A shard is written under a name of its own, hashed and renamed; then its journal appears.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from imnet_data import jpeg, rng
from imnet_data.conversion import journal, pixels
from imnet_data.conversion.journal import Head
from imnet_data.conversion.refused import Refusals
from imnet_data.conversion.rewriting import Rewriting
from imnet_data.conversion.written import Written, journal_path
from imnet_data.dataset.description import VERSION
from imnet_data.dataset.manifest import Entry
from imnet_data.errors import ConvertError
from imnet_data.formats import Sample
from imnet_data.imagenet.variants import ILSVRC2012
from imnet_data.images import fixups, reencode
from imnet_data.machine.closing import Closing
from imnet_data.machine.files import Output, file_sha256, part_of, remove, write_whole
from imnet_data.record import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from imnet_data.conversion.plan import SplitPlan
    from imnet_data.conversion.written import ShardJob
    from imnet_data.dataset.description import Jpeg, Options
    from imnet_data.dataset.opened import Dataset
    from imnet_data.formats import Format
    from imnet_data.machine.pool import Counter
    from imnet_data.record import Record, Records

_WRITE_BACK_NBYTES = 16 << 20
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h


class Writing(NamedTuple):
    """All that shards are written from; shared by the workers."""

    format: Format
    options: Options
    labels: Mapping[str, int]  # wnid -> label
    plans: Mapping[str, SplitPlan]
    jpeg: Jpeg  # as what JPEGs are stored, where they can be
    stage: Path  # contains one folder per split
    journals: Path
    counter: Counter
    version: int = VERSION  # of the dataset; an earlier one where one of then is repaired
    name: str = ILSVRC2012  # of the dataset

    def jobs(self) -> list[ShardJob]:
        """Return all shards, split by split."""
        return self.written.jobs()

    @property
    def written(self) -> Written:
        """The shards, as they are once they are done."""
        return Written(
            format=self.format,
            options=self.options,
            splits={split: planned.outline for split, planned in self.plans.items()},
            stage=self.stage,
            journals=self.journals,
            version=self.version,
            name=self.name,
        )

    def shard_name(self, job: ShardJob) -> str:
        """Name the shard of `job`."""
        return self.format.shard_name(job.split, job.number, self.plans[job.split].shard_count)

    def journal(self, job: ShardJob) -> Path:
        """Return the path of the journal of `job`, which exists once the shard is done."""
        return journal_path(self.journals, job)

    def refused(self, job: ShardJob) -> Path:
        """Return where the refused images of `job` are noted, if there are any."""
        return self.journal(job).with_suffix(".refused")


def write_shard(writing: Writing, job: ShardJob) -> Mapping[str, int]:
    """Write one shard, its side files and its journal.

    Returns:
        problem -> images that the policy refuses. If there are any, they are noted in
        `writing.refused(job)`, and the shard is not written.

    Raises:
        ConvertError: if the disk is full or cannot be written.
    """
    directory = writing.stage / job.split
    name = writing.shard_name(job)
    part = part_of(directory / name)
    try:
        remove(part)
        with Output(part) as out, _Samples(writing, job, out) as samples:
            offsets = writing.format.write(out, samples)
            head = _place(out, directory / name, samples)
            beside_sha256 = samples.notes.finish(offsets)
        head = head._replace(record_count=len(offsets), beside_sha256=beside_sha256)
        journal.write_head(writing.journal(job), head)
        return {}
    except _HasRefused as error:
        return error.counts
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}:
            raise
        raise ConvertError(
            f"{part}: cannot be written ({error.strerror}); make room there, "
            "then run the same command to resume"
        ) from error


class _WriteBack:
    """Has the system begin to write a growing file to disk, so that the last sync is short."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nbytes = 0

    def count(self, nbytes: int) -> None:
        """Note what was written; begin when there is enough."""
        self._nbytes += nbytes
        if self._nbytes < _WRITE_BACK_NBYTES or not self._path.is_file():
            return
        self._nbytes = 0
        descriptor = os.open(self._path, os.O_RDONLY)
        # a hint: what it could not do is done, and errors are reported, by the sync at the end
        ctypes.CDLL(None).sync_file_range(
            descriptor, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE
        )
        os.close(descriptor)


class _HasRefused(Exception):
    """A shard has images that are refused, so it is not written."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__(counts)
        self.counts = counts


class _Samples(Closing):
    """The samples of one shard; each is put into its journal as it is taken.

    From the first image on that is refused, the others are examined, but no longer given.
    """

    skipped: dict[str, int]
    not_seekable: dict[str, int]
    notes: journal.Writer

    def __init__(self, writing: Writing, job: ShardJob, out: Output) -> None:
        self._writing = writing
        self._job = job
        self._out = out
        self._write_back = _WriteBack(out.path)
        self._rewriting = Rewriting(writing.jpeg, writing.version)
        plan = writing.plans[job.split]
        self._indices = plan.rows[plan.starts[job.number] : plan.starts[job.number + 1]]
        self._opened = ExitStack()

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Sample]:
        writing = self._writing
        self.close()
        self.skipped, self.not_seekable = {}, {}
        notes = journal.Writer(writing.journal(self._job), writing.labels)
        self.notes = self._opened.enter_context(notes)
        records = writing.plans[self._job.split].records
        refusals = Refusals(writing.refused(self._job))
        reading = closing(pixels.jpegs(records, self._indices.tolist()))
        for index, record in self._opened.enter_context(reading):
            if record is None:
                yield from self._keep_pixels(cast("Dataset", records), index)
                continue
            writing.counter.add(1, len(record.jpeg))
            try:
                outcome = _prepare(record, writing.options, self._rewriting)
            except fixups.Refused as refused:
                refusals.add(self._job.split, refused)
            if refusals.counts:
                continue
            if outcome.record is None:
                self.skipped[outcome.fix] = self.skipped.get(outcome.fix, 0) + 1
                continue
            stored, sample = self._store(outcome)
            yield sample
            # by now the sample is appended, and goes through the hash of the shard beside its own
            contents: list[bytes | memoryview] = [outcome.record.jpeg]
            if stored:
                contents.append(_content(sample))
            digests = [digest.hex() for digest in self._out.digests_beside(*contents)]
            published_nbytes = int(records.listing.nbytes[index])
            notes.add(self._entry(outcome, sample, stored, digests, published_nbytes))
            self._write_back.count(len(sample.record.jpeg))
        if refusals.counts:
            raise _HasRefused(refusals.counts)

    def _keep_pixels(self, dataset: Dataset, index: int) -> Iterator[Sample]:
        """Yield a record that has no JPEG any more, and note it with the hash of that."""
        record = dataset.without_jpeg(index)
        sample = pixels.sample(dataset, index, self._label(record))
        self._writing.counter.add(1, len(_content(sample)))
        yield sample
        digests = [dataset.sha256[index].tobytes(), *self._out.digests_beside(_content(sample))]
        outcome = fixups.Outcome(record, sample.width, sample.height, record.fix)
        published_nbytes = int(dataset.listing.nbytes[index])
        hexadecimal = [digest.hex() for digest in digests]
        self.notes.add(self._entry(outcome, sample, "pixels", hexadecimal, published_nbytes))

    def _label(self, record: Record) -> int:
        return self._writing.labels[record.wnid] if record.wnid else -1

    def close(self) -> None:
        """Close the files."""
        self._opened.close()

    def _entry(
        self,
        outcome: fixups.Outcome,
        sample: Sample,
        stored: str,
        digests: list[str],
        published_nbytes: int,
    ) -> Entry:
        record = sample.record
        nbytes = len(_content(sample))
        return Entry(
            key=record.key,
            wnid=record.wnid,
            width=outcome.width,
            height=outcome.height,
            nbytes=nbytes,
            sha256=digests[0],
            shard=self._job.number,
            offset=0,
            published_nbytes=published_nbytes if published_nbytes != nbytes else 0,
            fix=outcome.fix,
            boxes=record.boxes,
            stored=stored,
            stored_sha256=digests[1] if stored else "",
            verdict=outcome.verdict if self._writing.version > 1 and sample.pixels is None else "",
            scene=record.scene,
        )

    def _store(self, outcome: fixups.Outcome) -> tuple[str, Sample]:
        """Return as what a record is stored, and its sample."""
        record = outcome.record
        assert record is not None
        stored, image, array = self._stored(record, outcome)
        if stored:
            record = record._replace(jpeg=image)
        label = self._label(record)
        size, is_packed = (outcome.width, outcome.height), stored == "packed"
        return stored, Sample(record, label, *size, array, is_packed=is_packed)

    def _stored(
        self, record: Record, outcome: fixups.Outcome
    ) -> tuple[str, bytes, NDArray[np.uint8] | None]:
        """Return as what an image is stored, its JPEG, and its pixels where those are."""
        if _is_stored_as_pixels(self._writing, outcome):
            array = reencode.to_pixels(record.jpeg, fill=outcome.is_damaged)
            return "pixels", record.jpeg, array
        image, reason = self._rewriting.of(record.jpeg)
        if reason:
            self.not_seekable[reason] = self.not_seekable.get(reason, 0) + 1
        return self._writing.jpeg if image else "", image or record.jpeg, None


def _is_stored_as_pixels(writing: Writing, outcome: fixups.Outcome) -> bool:
    """Choose a share of the images by their keys, so that no other record has a say."""
    share, record = writing.options.raw, outcome.record
    if not share or record is None or not outcome.is_decodable:
        return False
    number = int.from_bytes(hashlib.sha256(record.key.encode()).digest()[:7], "big")
    seed = writing.options.seed or 0
    return bool(rng.uniform(seed, rng.Stream.FORMAT, 0, np.array([number]))[0] < share)


def stored_nbytes(writing: Writing, records: Records, index: int) -> int:
    """Return how many bytes are stored of a record, rewritten JPEGs as those they are made of."""
    if pixels.are_kept(records, index):
        return int(cast("Dataset", records).index.nbytes[index])
    outcome = _prepare(records[index], writing.options, Rewriting("original"))
    if outcome.record is None:
        return 0
    if _is_stored_as_pixels(writing, outcome):
        return outcome.width * outcome.height * 3
    return len(outcome.record.jpeg)


def _content(sample: Sample) -> bytes | memoryview:
    """Return what is stored of a sample."""
    return sample.record.jpeg if sample.pixels is None else sample.pixels.reshape(-1).data


def _prepare(record: Record, options: Options, rewriting: Rewriting) -> fixups.Outcome:
    """Fix a bad image, then bring it to the size asked for; boxes are scaled along."""
    assert options.bad is not None
    # what most images become reads all of their data, so that they need not be examined for it
    is_sound = not options.shrinks and not options.raw and bool(rewriting.of(record.jpeg)[0])
    outcome = fixups.apply(record, options.bad, is_sound=is_sound)
    outcome = outcome._replace(fix=_joined(record.fix, outcome.fix))
    fixed = outcome.record
    if fixed is None or not options.shrinks:
        return outcome
    if not outcome.is_decodable:  # that was kept
        return outcome
    assert options.quality is not None
    shrunk = reencode.resize_to(
        fixed.jpeg,
        max_side=options.max_side,
        short_side=options.short_side,
        square=options.resize,
        quality=options.quality,
        fill=outcome.is_damaged,
    )
    if shrunk is fixed.jpeg:
        return outcome
    found = jpeg.header(shrunk)
    scale = found.width / outcome.width, found.height / outcome.height
    boxes = tuple(_scaled(box, *scale) for box in fixed.boxes)
    resized = fixed._replace(jpeg=shrunk, boxes=boxes)
    return fixups.Outcome(resized, found.width, found.height, _joined(outcome.fix, "resized"))


def _joined(before: str, now: str) -> str:
    """Add what is done now to what an earlier conversion has done."""
    return "+".join(dict.fromkeys(filter(None, (*before.split("+"), now))))


def _scaled(box: Box, x: float, y: float) -> Box:
    return Box(round(box.xmin * x), round(box.ymin * y), round(box.xmax * x), round(box.ymax * y))


def _place(out: Output, path: Path, samples: _Samples) -> Head:
    """Bring a written shard and its side files under their names in the stage."""
    head = Head("", 0, 0, "", {}, samples.notes.fixes, samples.skipped, samples.not_seekable, "")
    if out.path.is_dir():  # records are files of their own: each goes to its place in the tree
        return head._replace(nbytes=_merge(out.path, path.parent))
    stem = path.name.partition(".")[0]
    sides = {
        f"{stem}{suffix}": write_whole(path.with_name(f"{stem}{suffix}"), content, sync=False)
        for suffix, content in out.side_files.items()
    }
    sha256 = out.hexdigest()
    nbytes = out.path.stat().st_size
    out.path.rename(path)
    return head._replace(name=path.name, nbytes=nbytes, sha256=sha256, side_files=sides)


def _merge(part: Path, directory: Path) -> int:
    nbytes = 0
    for file in sorted(part.rglob("*")):
        if file.is_file():
            target = directory / file.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            nbytes += file.stat().st_size
            file.rename(target)
    shutil.rmtree(part)
    return nbytes


def is_whole(writing: Writing, job: ShardJob) -> bool:
    """Return whether everything that the journal of `job` lists is as it was written."""
    path = writing.journal(job)
    directory = writing.stage / job.split
    try:
        head = journal.read_head(path)
        if journal.beside_sha256(path) != head.beside_sha256:
            return False
        sums = {head.name: head.sha256, **head.side_files}
        if (record_file := writing.format.record_file) is not None:
            sums = {
                record_file(entry.wnid, entry.key): entry.stored_sha256 or entry.sha256
                for entry in journal.entries(path)
            }
        return all(file_sha256(directory / name) == sha256 for name, sha256 in sums.items())
    except (OSError, ValueError, TypeError):  # cut short, or not there
        return False
