"""Makes the damaged files of a dataset again, and no others, where it is proven what they were.

Of two witnesses that disagree, such as a shard and its line in SHA256SUMS, neither is believed by
itself. What is made again, from the source or from what is sound, is the third: it replaces a file
if SHA256SUMS says the same, and a line of SHA256SUMS if the file says the same. If it agrees with
neither, nothing is changed. So a dataset ends in the bytes of a fresh conversion, or is left as it
was.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from imnet_data import arguments
from imnet_data.conversion import finish, planning, shards, staging
from imnet_data.conversion.classes import FOUND
from imnet_data.conversion.written import ShardJob
from imnet_data.dataset import coco, description, index_file, layout, manifest
from imnet_data.dataset.layout import COCO, LABELS, SUMS
from imnet_data.errors import ConvertError, ImnetError, ManifestError
from imnet_data.formats import get
from imnet_data.machine import pool
from imnet_data.machine.files import file_sha256, write_whole
from imnet_data.machine.progress import no_progress
from imnet_data.sources.opening import is_dataset, open_any
from imnet_data.storage import address
from imnet_data.verification import in_store, strays
from imnet_data.verification.expected import expect
from imnet_data.verification.salvage import salvaged
from imnet_data.verification.verify import verify
from imnet_data.verification.witness import Sums, restore_description

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.plan import Conversion
    from imnet_data.conversion.shard import Writing
    from imnet_data.dataset.manifest import Entry
    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source
    from imnet_data.verification.shard import Difference

DESCRIPTION = description.FILE_NAME


def repair(
    root: StrPath,
    paths: StrPath | Iterable[StrPath],
    differences: Sequence[Difference],
    *,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> list[str]:
    """Make again what `differences`, given by `verify`, say is damaged.

    Args:
        root: the folder of a dataset, or its URL.
        paths: a source that has the damaged records, as `convert` takes it, or URLs of one; it is
            opened only if what is damaged does not follow from what is sound.
        differences: what `verify` found.
        workers: processes; by default one for each core.
        progress: called several times a second.

    Returns:
        The files that were replaced, relative to `root`, sorted.

    Raises:
        ImnetError: if it is not proven what the dataset was; nothing is changed then.
    """
    given, worker_count = arguments.places("paths", paths), pool.worker_count(workers)
    if address.is_url(root):
        verify_again = partial(verify, root, workers=worker_count, progress=progress)
        remake = partial(_repair, paths=given, workers=worker_count, progress=progress)
        return in_store.repair(str(root), differences, verify_again, remake)
    return _repair(arguments.path("root", root), differences, given, worker_count, progress)


def _repair(
    root: Path,
    differences: Sequence[Difference],
    paths: Sequence[Path | str],
    workers: int,
    progress: Progress,
) -> list[str]:
    with staging.held(root) as stage:
        replaced = []
        if restore_description(root):
            replaced.append(DESCRIPTION)
            differences = verify(root, workers=workers, progress=progress)
        work = _Repair(root, paths, stage, workers, progress)
        return sorted({*replaced, *work.run(differences)})


class _Repair:
    def __init__(
        self,
        root: Path,
        paths: Sequence[Path | str],
        stage: Path,
        workers: int,
        progress: Progress,
    ) -> None:
        self._root = root
        self._paths = paths
        self._stage = stage
        self._workers = workers
        self._progress = progress
        self._sums = Sums(root)
        try:
            self._about = description.read(root)
        except ManifestError:
            self._about = salvaged(root, self._sums)

    def run(self, differences: Sequence[Difference]) -> set[str]:
        """Make again what is damaged; return the files that were replaced."""
        reported = [difference for difference in differences if difference.what != strays.WHAT]
        if not reported:
            return set()
        if not self._is_proven(DESCRIPTION):
            return self._from_source_alone()
        files = {difference.file for difference in reported}
        doubted = [
            file
            for file in layout.files(self._about)
            if file in files or file not in self._sums.lines
        ]
        suspects = {file for file in doubted if not self._is_proven(file)}
        keys = {difference.key for difference in reported if difference.file != SUMS} - {""}
        replaced = self._replace(self._agreed(self._made(suspects, keys), suspects))
        lines = self._sums.lines
        if SUMS in files or any(lines.get(file) != self._had(file) for file in doubted):
            replaced |= self._write_sums(doubted)
        return replaced

    def _is_proven(self, file: str) -> bool:
        path = self._root / file
        return path.is_file() and self._sums.proves(file, file_sha256(path))

    # what is made again

    def _made(self, suspects: Collection[str], keys: Collection[str]) -> dict[str, Path | bytes]:
        """Return the content of the suspects, on the stage or in memory, with what comes along."""
        remade = [
            split for split in self._about.splits if f"{split}/{manifest.FILE_NAME}" in suspects
        ]
        jobs = [
            job
            for split in self._about.splits
            for job in self._damaged_shards(split, suspects, keys, whole=split in remade)
        ]
        made: dict[str, Path | bytes] = {}
        listed = {*layout.files(self._about)}  # the others are files of single records
        if jobs:
            self._write(jobs, remade)
            for split in {job.split for job in jobs}:
                for path in (self._stage / split).rglob("*"):
                    file = path.relative_to(self._stage).as_posix()
                    if path.is_file() and (file in suspects or file not in listed):
                        made[file] = path
        return {**self._derived(suspects, remade), **made}

    def _damaged_shards(
        self, split: str, suspects: Collection[str], keys: Collection[str], *, whole: bool
    ) -> Iterator[ShardJob]:
        """Yield the shards that are damaged, or have a damaged record or side file."""
        shards = self._about.splits[split].shards
        stems = {file.partition(".")[0] for file in suspects}
        numbers = set[int]()
        if get(self._about.format).record_file is not None and not whole and keys:
            entries = self._entries(split, range(len(shards)))
            numbers = {entry.shard for entry in entries if entry.key in keys}
        for number, shard in enumerate(shards):
            stem = f"{split}/{shard.name}".partition(".")[0]
            if whole or number in numbers or (shard.name and stem in stems):
                yield ShardJob(split, number)

    def _write(self, jobs: Sequence[ShardJob], remade: Collection[str]) -> None:
        """Write shards on the stage, and refuse them if the dataset says otherwise."""
        with self._planned({job.split for job in jobs}) as (_, writing):
            self._write_shards(writing, jobs)
            for split in {job.split for job in jobs}:
                if split in remade:
                    described, sums = finish.finish_split(writing.written, split, self._workers)
                    list(sums)  # writes the side files
                    if described != self._about.splits[split]:
                        raise _other_records(split, "manifest")
                else:
                    numbers = sorted(job.number for job in jobs if job.split == split)
                    self._compare(split, numbers, writing)

    def _write_shards(self, writing: Writing, jobs: Sequence[ShardJob]) -> None:
        remedy = "nothing is changed: pass the source that the dataset was made from"
        run = pool.processes(self._workers)
        shards.write_shards(writing, jobs, run, self._progress, remedy=remedy)

    @contextmanager
    def _planned(
        self, splits: Collection[str], *, proves: bool = False
    ) -> Iterator[tuple[Conversion, Writing]]:
        """Open the source, and plan some splits as the dataset has them.

        What `proves` the dataset is not held against what is doubted of it.
        """
        about = self._about
        source = open_any(
            self._paths,
            boxes=bool(about.options.boxes),
            labels=None if any(map(is_dataset, self._paths)) else about.options.labels,
            spool=self._stage / "spool",
            progress=self._progress,
        )
        try:
            planned = self._plan(source, splits)
            if not proves:
                self._require(planned, splits)
            writing = shards.planned_writing(planned, self._stage)
            shards.make_folders(writing)
            yield planned, writing._replace(version=about.version)
        finally:
            source.close()

    def _plan(self, source: Source, splits: Collection[str]) -> Conversion:
        """Plan some splits; those that decide on others are looked at, too."""
        about = self._about
        needed = {*splits, "train"} if about.options.selects_by_train else {*splits}
        if about.options.classes == FOUND:
            needed = {*about.splits}
        taken = {name: split for name, split in source.splits.items() if name in needed}
        planned = planning.plan_conversion(
            source._replace(splits=taken), format_name=about.format, options=about.options
        )
        plans = {name: planned.plans[name] for name in splits if name in planned.plans}
        return planned._replace(plans=plans)

    def _require(self, planned: Conversion, splits: Collection[str]) -> None:
        """Refuse a source with other classes or splits than the dataset."""
        if planned.classes != self._about.classes:
            raise ConvertError(
                "the source has another class list than the dataset: a wrong devkit?"
            )
        for split in splits:
            plan = planned.plans.get(split)
            if plan is None or plan.shard_count != len(self._about.splits[split].shards):
                raise ConvertError(
                    f"the source does not have the records of {split}: pass the source, or all "
                    "the sources, that the dataset was made from"
                )

    def _compare(self, split: str, numbers: Sequence[int], writing: Writing) -> None:
        wanted = self._entries(split, numbers)
        for want, have in zip_longest(wanted, writing.written.entries(split, numbers)):
            if want != have:
                raise _other_records(split, (want or have).key)

    def _entries(self, split: str, numbers: Collection[int]) -> Iterator[Entry]:
        """Yield the lines of the manifest of some shards, read from the first to the last."""
        counts = [shard.record_count for shard in self._about.splits[split].shards]
        path = self._root / split / manifest.FILE_NAME
        span = manifest.read(
            path, start=sum(counts[: min(numbers)]), stop=sum(counts[: max(numbers) + 1])
        )
        return (entry for entry in span if entry.shard in numbers)

    def _coco(self, split: str) -> Path:
        path, made = self._root / split / manifest.FILE_NAME, self._stage / split / COCO
        made.parent.mkdir(exist_ok=True)
        with made.open("wb") as file:
            task = self._about.name
            file.writelines(coco.pieces(lambda: manifest.read(path), task=task, split=split))
        return made

    def _derived(
        self, suspects: Collection[str], remade: Collection[str]
    ) -> dict[str, Path | bytes]:
        """Return the suspects that follow from the description and the manifests."""
        about = self._about
        contents: dict[str, Path | bytes] = {LABELS: layout.labels_tsv(about.classes)}
        for split, said in about.splits.items():
            sides = get(about.format).split_side_files(split, layout.summaries(said))
            contents |= {f"{split}/{name}": content for name, content in sides.items()}
            file = f"{split}/{index_file.FILE_NAME}"
            if file in suspects and split not in remade:
                expected = expect(self._root / split, about.classes, workers=self._workers)
                contents[file] = index_file.to_bytes(expected.columns, version=about.version)
            file = f"{split}/{COCO}"
            if file in suspects and split not in remade:
                contents[file] = self._coco(split)
        return {file: content for file, content in contents.items() if file in suspects}

    def _from_source_alone(self) -> set[str]:
        """Make the whole dataset again, as SHA256SUMS does not prove its description.

        What is made must have the description that is there, or that SHA256SUMS has the hash of.
        """
        lost = (
            f"{self._root / DESCRIPTION}: {SUMS} does not say the same, and what is made from the "
            "source agrees with neither; nothing is changed: pass the source that it was made "
            "from, copy dataset.json from elsewhere, or convert again"
        )
        try:
            with self._planned(self._about.splits, proves=True) as (conversion, writing):
                self._write_shards(writing, writing.jobs())
                shards.describe(writing, conversion, self._workers, self._progress)
        except ImnetError as error:  # the options that it is made with may be what is damaged
            raise ConvertError(f"{lost} ({error})") from error
        if not self._agrees(DESCRIPTION, self._stage / DESCRIPTION):
            raise ConvertError(lost)
        names = [name for name, _ in layout.read_sums(self._stage / SUMS)]
        made: dict[str, Path | bytes] = {name: self._stage / name for name in names}
        replaced = self._agreed(made, names)
        sums = self._stage / SUMS
        if self._sums.content != sums.read_bytes():
            replaced[SUMS] = sums
        return self._replace(replaced)

    # what of it is believed

    def _agreed(
        self, made: dict[str, Path | bytes], suspects: Collection[str]
    ) -> dict[str, Path | bytes]:
        """Return what differs from the dataset, once all of it agrees with one of the witnesses."""
        for file, content in made.items():
            if file in suspects and not self._agrees(file, content):
                raise ConvertError(
                    f"{self._root / file}: {SUMS} does not say the same, and what is made again "
                    "agrees with neither; nothing is changed: pass the source that it was made "
                    "from, or convert again"
                )
        return {
            file: content for file, content in made.items() if _sha256(content) != self._had(file)
        }

    def _agrees(self, file: str, made: Path | bytes) -> bool:
        """Return whether SHA256SUMS, or the file that is there, has what is made."""
        sha256 = _sha256(made)
        claim = self._sums.claim(file)
        is_lost = not claim and file != DESCRIPTION  # by its manifest it is what it was
        return is_lost or self._sums.proves(file, sha256) or sha256 == self._had(file)

    def _had(self, file: str) -> str:
        path = self._root / file
        return file_sha256(path) if path.is_file() else ""

    def _replace(self, contents: dict[str, Path | bytes]) -> set[str]:
        """Replace files by what was made, dataset.json and SHA256SUMS last."""
        staging.sync_disk_of(self._stage)
        for file in sorted(contents, key=lambda file: (file in (DESCRIPTION, SUMS), file)):
            content, path = contents[file], self._root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                write_whole(path, content)
            else:
                content.rename(path)
        return set(contents)

    # SHA256SUMS

    def _write_sums(self, looked_at: Collection[str]) -> set[str]:
        """Write SHA256SUMS of the dataset, which is sound by now."""
        content = "".join(self._lines(looked_at)).encode()
        if content == self._sums.content:
            return set()
        write_whole(self._root / SUMS, content)
        return {SUMS}

    def _lines(self, looked_at: Collection[str]) -> Iterator[str]:
        about, lines = self._about, self._sums.lines
        record_file = get(about.format).record_file

        def line(file: str) -> str:
            known = "" if file in looked_at else lines.get(file, "")
            return f"{known or file_sha256(self._root / file)}  {file}\n"

        for split in about.splits:
            yield from map(line, layout.split_files(about, split))
            if record_file is not None:
                for entry in manifest.read(self._root / split / manifest.FILE_NAME):
                    sha256 = entry.stored_sha256 or entry.sha256
                    yield f"{sha256}  {split}/{record_file(entry.wnid, entry.key)}\n"
        yield from map(line, (DESCRIPTION, LABELS))


def _sha256(content: Path | bytes) -> str:
    return (
        hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else file_sha256(content)
    )


def _other_records(split: str, what: str) -> ConvertError:
    return ConvertError(
        f"{split}: the source gives another {what} than the dataset had; nothing is changed: "
        "pass the source that it was made from"
    )
