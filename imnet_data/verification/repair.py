"""Makes the damaged files of a dataset again, and no others.

Damaged shards are written anew from a source, held against the manifest, and only then renamed over
the damaged ones; index and side files are derived again. Where that is not enough, because the
manifest, dataset.json or SHA256SUMS is damaged, the whole dataset is made again on the stage; it
must agree with dataset.json or with SHA256SUMS, and then the files that differ are replaced. So a
dataset ends in the bytes of a fresh conversion, or is left as it was.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments
from imnet_data.conversion import convert, finish, staging
from imnet_data.conversion.shard import ShardJob
from imnet_data.dataset import description, index_file, layout, manifest
from imnet_data.errors import ConvertError
from imnet_data.machine import pool
from imnet_data.machine.files import file_sha256, write_whole
from imnet_data.machine.progress import no_progress
from imnet_data.sources.opening import open_any
from imnet_data.verification import strays
from imnet_data.verification.expected import expect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from imnet_data.arguments import StrPath
    from imnet_data.conversion.shard import Writing
    from imnet_data.dataset.description import Description
    from imnet_data.dataset.manifest import Entry
    from imnet_data.machine.progress import Progress
    from imnet_data.sources import Source
    from imnet_data.verification.shard import Difference


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
        root: the folder of a dataset.
        paths: a source that has the damaged records, as `convert` takes it.
        differences: what `verify` found.
        workers: processes; by default one for each core.
        progress: called several times a second.

    Returns:
        The files that were replaced, relative to `root`, sorted.

    Raises:
        ImnetError: if the source does not give the records that the dataset had.
    """
    root, given = arguments.path("root", root), arguments.paths("paths", paths)
    worker_count = pool.worker_count(workers)
    about = description.read(root)
    with staging.held(root) as stage:
        source = open_any(
            given,
            boxes=bool(about.options.boxes),
            spool=stage / "spool",
            progress=progress,
        )
        try:
            work = _Repair(root, about, _plan(source, about, stage), worker_count, progress)
            return sorted(work.run(differences))
        finally:
            source.close()


class _Repair(NamedTuple):
    root: Path
    about: Description
    writing: Writing
    workers: int
    progress: Progress

    def run(self, differences: Sequence[Difference]) -> set[str]:
        damaged = {difference.file for difference in differences if difference.what != strays.WHAT}
        manifests = {f"{split}/{manifest.FILE_NAME}" for split in self.about.splits}
        replaced = set[str]()
        if not damaged & {*manifests, layout.SUMS, description.FILE_NAME}:
            self._write(list(self._damaged_shards(differences)))
            replaced |= self._derive(damaged)
        if damaged - replaced:
            replaced |= self._write_all()
        return replaced

    def _damaged_shards(self, differences: Sequence[Difference]) -> Iterator[ShardJob]:
        """Yield the shards that are damaged, or have a damaged record or side file."""
        keys = {difference.key for difference in differences if difference.key}
        broken = {str(Path(difference.file).with_suffix("")) for difference in differences}
        for split, said in self.about.splits.items():
            numbers = set[int]()
            if not said.shards[0].name:
                entries = self._entries(split, range(len(said.shards)))
                numbers = {entry.shard for entry in entries if entry.key in keys}
            for number, shard in enumerate(said.shards):
                if number in numbers or str(Path(split, shard.name).with_suffix("")) in broken:
                    yield ShardJob(split, number)

    def _entries(self, split: str, numbers: Collection[int]) -> Iterator[Entry]:
        """Yield the lines of the manifest of some shards, read from the first to the last."""
        counts = [shard.record_count for shard in self.about.splits[split].shards]
        path = self.root / split / manifest.FILE_NAME
        span = manifest.read(
            path, start=sum(counts[: min(numbers)]), stop=sum(counts[: max(numbers) + 1])
        )
        return (entry for entry in span if entry.shard in numbers)

    def _write(self, jobs: Sequence[ShardJob]) -> None:
        """Write shards on the stage, and refuse them if the manifest does not agree."""
        self._write_shards(jobs)
        for split in {job.split for job in jobs}:
            numbers = {job.number for job in jobs if job.split == split}
            made = self.writing.entries(split, sorted(numbers))
            for want, have in zip_longest(self._entries(split, numbers), made):
                if want != have:
                    raise ConvertError(
                        f"{split}: the source gives another {(want or have).key} than the dataset "
                        "had; nothing is changed: give the source that it was made from"
                    )

    def _write_shards(self, jobs: Sequence[ShardJob]) -> None:
        remedy = "nothing is changed: give the source that the dataset was made from"
        convert.write_shards(self.writing, jobs, self.workers, self.progress, remedy=remedy)

    def _derive(self, damaged: Collection[str]) -> set[str]:
        """Replace shards by those on the stage, then what follows from shards and manifests."""
        replaced = set[str]()
        staging.sync_disk_of(self.writing.stage)
        contents = {layout.LABELS: layout.labels_tsv(self.about.classes)}
        for split, said in self.about.splits.items():
            replaced |= _replace(self.writing.stage / split, self.root / split, f"{split}/")
            sides = self.writing.format.split_side_files(split, layout.summaries(said))
            contents |= {f"{split}/{name}": content for name, content in sides.items()}
            if (file := f"{split}/{index_file.FILE_NAME}") in damaged:
                expected = expect(self.root / split, self.about.classes, workers=self.workers)
                contents[file] = index_file.to_bytes(expected.columns, version=self.about.version)
        for file, content in contents.items():
            path = self.root / file
            if not path.is_file() or path.read_bytes() != content:
                write_whole(path, content)
                replaced.add(file)
        return replaced

    def _write_all(self) -> set[str]:
        """Make the whole dataset on the stage, and replace what differs."""
        stage = self.writing.stage
        waiting = [job for job in self.writing.jobs() if not self.writing.journal(job).exists()]
        self._write_shards(waiting)
        finish.finish(
            self.writing,
            name=self.about.name,
            format_name=self.about.format,
            classes=self.about.classes,
            source_files=self.about.sources,
            workers=self.workers,
            left_out=self.about.left_out,
            progress=self.progress,
        )
        names = (layout.LABELS, layout.SUMS, description.FILE_NAME)
        if not any(_same(stage / name, self.root / name) for name in names[1:]):
            raise ConvertError(
                f"{self.root}: the source gives other records than the dataset had, or both "
                f"{names[1]} and {names[2]} are damaged; nothing is changed: convert again"
            )
        staging.sync_disk_of(stage)
        replaced = set[str]()
        for split in self.about.splits:
            replaced |= _replace(stage / split, self.root / split, f"{split}/")
        for name in names:
            if not _same(stage / name, self.root / name):
                (stage / name).rename(self.root / name)
                replaced.add(name)
        return replaced


def _plan(source: Source, about: Description, stage: Path) -> Writing:
    planned = convert.plan_conversion(source, format_name=about.format, options=about.options)
    if planned.classes != about.classes:
        raise ConvertError("the source has another class list than the dataset: a wrong devkit?")
    for split, said in about.splits.items():
        plan = planned.plans.get(split)
        if plan is None or plan.shard_count != len(said.shards):
            raise ConvertError(
                f"the source does not have the records of {split}: give the source, or all the "
                "sources, that the dataset was made from"
            )
    plans = {split: planned.plans[split] for split in about.splits}
    writing = convert.planned_writing(planned._replace(plans=plans), stage)
    convert.make_folders(writing)
    return writing._replace(version=about.version)


def _replace(made: Path, directory: Path, prefix: str) -> set[str]:
    """Rename the files that differ over those of the dataset; give their names."""
    replaced = set[str]()
    for path in sorted(file for file in made.rglob("*") if file.is_file()):
        name = path.relative_to(made)
        if _same(path, directory / name):
            path.unlink()
            continue
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        path.rename(directory / name)
        replaced.add(f"{prefix}{name}")
    return replaced


def _same(made: Path, path: Path) -> bool:
    return path.is_file() and file_sha256(path) == file_sha256(made)
