"""Verifies one file, or the records of one shard: the jobs of `verify`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import formats, jpeg
from imnet_data.dataset import manifest
from imnet_data.errors import FormatError
from imnet_data.jpeg import Verdict
from imnet_data.verification.hashing import RecordHashes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imnet_data.dataset.description import Description
    from imnet_data.dataset.index import Index
    from imnet_data.formats import Place, Shard, Stored
    from imnet_data.machine.pool import Counter
    from imnet_data.verification.expected import Expectation
    from imnet_data.verification.hashing import Hashed
    from imnet_data.verification.location import Location


class Difference(NamedTuple):
    """One thing that is not as it should be."""

    file: str  # relative to what was verified; "" for a tarball itself
    what: str
    key: str = ""  # of the record, where it is about one


def difference_of(
    about: Description, split: str, columns: Index, row: int, what: str
) -> Difference:
    """Return a difference of one record; it names the file that holds the record."""
    place = columns.place(row, about.classes)
    record_file = formats.get(about.format).record_file
    if record_file is None:
        name = about.splits[split].shards[columns.shard[row]].name
    else:
        name = record_file(place.wnid, place.key)
    return Difference(f"{split}/{name}", what, place.key)


class FileJob(NamedTuple):
    """A file to be compared with its line of SHA256SUMS."""

    file: str


class RecordsJob(NamedTuple):
    """The records of one shard, to be compared with the manifest, and its file, as a FileJob."""

    split: str
    shard: int


class Checking(NamedTuple):
    """All that jobs need; shared by the workers."""

    location: Location
    about: Description
    expected: Mapping[str, Expectation]
    sums: Mapping[str, str]  # file -> sha256
    decode: bool
    counter: Counter


def check(checking: Checking, job: FileJob | RecordsJob) -> list[Difference]:
    """Return what is wrong with the file or the records of `job`."""
    found: list[Difference] = []
    for _ in range(checking.location.attempts):
        if isinstance(job, FileJob):
            found = list(_check_file(checking, job.file))
        else:
            found = list(_RecordsCheck(checking, job).differences())
        if not found:
            break
    return found


def _check_file(checking: Checking, file: str) -> Iterator[Difference]:
    try:
        opened = checking.location.open(file)
        with RecordHashes(opened) as hashes:
            sha256 = hashes.hexdigest()
            checking.counter.add(0, opened.nbytes)
    except OSError as error:
        yield Difference(file, f"cannot be read ({error.strerror})")
        return
    yield from _check_sum(checking, file, sha256)


def _check_sum(checking: Checking, file: str, sha256: str) -> Iterator[Difference]:
    if checking.sums.get(file, sha256) != sha256:
        yield Difference(file, "its sha256 is not the one in SHA256SUMS")


def _decoding_fault(image: bytes | memoryview, recorded: str | None) -> str:
    """Return what is wrong with an image whose verdict was `recorded`, None where none was."""
    found = jpeg.examine(image)
    if not found.verdict.decodable:
        return f"cannot be decoded: {found.reason}"
    if recorded is None:
        return f"is damaged: {found.reason}" if found.verdict is Verdict.DAMAGED else ""
    if found.verdict == (recorded or Verdict.PLAIN):
        return ""
    reason = f" ({found.reason})" if found.reason else ""
    return f"is {found.verdict}{reason}, the manifest says {recorded or Verdict.PLAIN}"


class _RecordsCheck:
    """One walk through a shard, and a look at each record that the walk did not reach."""

    def __init__(self, checking: Checking, job: RecordsJob) -> None:
        self._checking = checking
        self._split = job.split
        self._expected = checking.expected[job.split]
        self._columns = self._expected.columns
        self._rows = self._expected.rows_of(job.shard)
        self._name = checking.about.splits[job.split].shards[job.shard].name
        self._format = formats.get(checking.about.format)
        self._file = f"{job.split}/{self._name}"

    def differences(self) -> Iterator[Difference]:
        location = self._checking.location
        try:
            shard = location.shard(self._format, self._split, self._name)
        except FormatError as error:
            yield self._difference(str(error))
            return
        with closing(shard):
            if self._format.record_file is not None:  # single files have no order to be walked in
                with RecordHashes(None, for_decoding=self._checking.decode) as hashes:
                    yield from self._look(shard, hashes, self._rows)
                return
            try:
                opened = location.open(self._file)
                with RecordHashes(opened, for_decoding=self._checking.decode) as hashes:
                    yield from self._read(shard, hashes)
            except OSError as error:
                yield self._difference(f"cannot be read ({error.strerror})")

    def _read(self, shard: Shard, hashes: RecordHashes) -> Iterator[Difference]:
        reached = self._rows.start
        for found in self._walk(shard, hashes):
            if isinstance(found, Difference):
                yield found
            else:
                reached = found
        yield from self._look(shard, hashes, range(reached, self._rows.stop))
        yield from _check_sum(self._checking, self._file, hashes.hexdigest())

    def _walk(self, shard: Shard, hashes: RecordHashes) -> Iterator[Difference | int]:
        """Yield differences, and after each record the number of the next."""
        row = self._rows.start
        try:
            for stored in shard.walk(hashes.offer):
                if row == self._rows.stop:
                    yield self._difference(f"holds more than its {len(self._rows)} records")
                    return
                yield from self._compare(stored, row)
                yield from self._add(hashes, row, stored.image)
                row += 1
                yield row
        except FormatError as error:
            yield self._difference(str(error), row if row < self._rows.stop else None)
            return
        if row < self._rows.stop:
            yield self._difference(f"holds {row - self._rows.start} of {len(self._rows)} records")

    def _compare(self, stored: Stored, row: int) -> Iterator[Difference]:
        place, label = self._place(row), int(self._columns.label[row])
        for name, found, wanted in (
            ("key", stored.key, place.key),
            ("wnid", stored.wnid, place.wnid),
            ("label", stored.label, label),
            ("offset", stored.offset, place.offset),
        ):
            if found is not None and found != wanted:
                yield self._difference(f"{name} is {found}, the manifest says {wanted}", row)

    def _look(self, shard: Shard, hashes: RecordHashes, rows: range) -> Iterator[Difference]:
        """Check records by their places alone, and all that wait to be hashed."""
        for row in rows:
            try:
                image = shard.read(self._place(row))
            except FormatError as error:
                yield self._difference(str(error), row)
            else:
                yield from self._add(hashes, row, image)
        yield from self._check_images(hashes)

    def _add(
        self, hashes: RecordHashes, row: int, image: bytes | memoryview
    ) -> Iterator[Difference]:
        hashes.add(row, image, self._stored(row))
        if hashes.is_full:
            yield from self._check_images(hashes)

    def _check_images(self, hashes: RecordHashes) -> Iterator[Difference]:
        hashed = hashes.hashed()
        self._checking.counter.add(len(hashed), sum(len(each.image) for each in hashed))
        for each in hashed:
            if fault := self._fault(each):
                yield self._difference(fault, each.row)

    def _fault(self, found: Hashed) -> str:
        row, stored = found.row, self._stored(found.row)
        if found.stored != self._expected.stored_sha256[row].tobytes():
            return "the image is not the one that was stored"
        if found.fault:
            return f"cannot be restored: {found.fault}"
        if found.original and found.original != self._expected.sha256[row].tobytes():
            return "the image that is restored is not the original"
        if not self._checking.decode or stored == "pixels":
            return ""
        return _decoding_fault(
            found.jpeg if stored == "packed" else found.image, self._verdict(row)
        )

    def _verdict(self, row: int) -> str | None:
        if self._checking.about.version < 2:
            return None
        return manifest.VERDICTS[self._columns.verdict[row]]

    def _stored(self, row: int) -> str:
        return manifest.STORED[self._columns.stored[row]]

    def _place(self, row: int) -> Place:
        return self._columns.place(row, self._checking.about.classes)

    def _difference(self, what: str, row: int | None = None) -> Difference:
        if row is None:
            return Difference(f"{self._split}/{self._name}", what)
        return difference_of(self._checking.about, self._split, self._columns, row, what)
