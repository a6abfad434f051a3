"""`imnet-data verify`."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import as_json, place, ray, workers
from imnet_data.dataset import description, opened
from imnet_data.errors import ManifestError
from imnet_data.storage import address
from imnet_data.verification import strays
from imnet_data.verification.compare import compare
from imnet_data.verification.read_back import ReadBack, read_back
from imnet_data.verification.repair import repair
from imnet_data.verification.shard import Difference
from imnet_data.verification.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@click.command(
    name="verify",
    epilog=examples(
        "imnet-data verify imagenet --decode",
        "imnet-data verify imagenet --repair tarballs",
        "imnet-data verify s3://bucket/imagenet --against imagenet",
    ),
)
@click.argument("path", nargs=-1, required=True, type=place)
@click.option("--decode", is_flag=True, help="Examine the data of every image in full, too.")
@click.option(
    "--against",
    type=place,
    help="Compare with this dataset, in any format: it must hold the same records.",
)
@click.option(
    "--repair",
    "repair_from",
    multiple=True,
    type=place,
    help="Rebuild damaged files from this source (may be given several times).",
)
@click.option(
    "--readers",
    is_flag=True,
    help="Read every record with the third-party libraries made for the format, too.",
)
@click.option(
    "--move-strays",
    is_flag=True,
    help=f"Move files that do not belong to the dataset to its folder {strays.FOLDER}.",
)
@as_json
@workers
@ray
def command(
    path: tuple[Path | str, ...],
    decode: bool,
    against: Path | str | None,
    repair_from: tuple[Path | str, ...],
    readers: bool,
    move_strays: bool,
    as_json: bool,
    workers: int | None,
    ray: str | None,
) -> None:
    """Verify each PATH: a dataset, an official tarball, or a folder of tarballs.

    In a dataset, every file is compared with SHA256SUMS and every record with the manifest. For an
    official tarball, the size, the MD5 and the contents are compared with the published ones. The
    exit status is 0 if everything is sound and 1 if not.

    A dataset may be in an object store: PATH is its URL, and needs the extra `cloud`. Its objects
    are read piece by piece, one by each worker, and are not kept.
    """
    found: dict[str, list[Difference]] = {}
    repaired: dict[str, list[str]] = {}
    reads: dict[str, list[ReadBack]] = {}
    _refuse_folders_only(path, readers=readers, move_strays=move_strays)
    with Progress() as progress:
        check = partial(verify, workers=workers, ray=ray, progress=progress)
        for root in path:
            name = address.shown(root)
            differences = _differences(root, bool(repair_from), partial(check, decode=decode))
            if isinstance(root, Path) and not opened.is_dataset(root):
                found[name] = differences
                continue
            if differences and repair_from:
                repaired[name] = repair(
                    root, repair_from, differences, workers=workers, progress=progress
                )
                differences = check(root, decode=decode)
            if differences and move_strays:
                for stray, moved in strays.move_aside(Path(root), differences).items():
                    click.echo(f"{root}/{stray}: moved to {root}/{moved}", err=True)
                differences = []
            if against is not None:
                differences += check(against)
                differences += compare(root, against, progress=progress)
            found[name] = differences
            if readers:
                reads[name] = read_back(root, workers=workers, progress=progress)
    reports = [
        _Report(root, differences, repaired.get(root, []), reads.get(root))
        for root, differences in found.items()
    ]
    click.echo(_as_json(reports) if as_json else "\n".join(map(_as_text, reports)))
    sys.exit(any(report.difference_count for report in reports))


def _refuse_folders_only(places: Sequence[Path | str], *, readers: bool, move_strays: bool) -> None:
    urls = [address.shown(place) for place in places if isinstance(place, str)]
    for option, is_asked in (("--readers", readers), ("--move-strays", move_strays)):
        if urls and is_asked:
            raise click.ClickException(
                f"{option} is for folders, and {urls[0]} is a URL; copy the dataset to a disk with "
                "`imnet-data copy`"
            )


def _differences(
    root: Path | str, repairs: bool, check: Callable[[Path | str], list[Difference]]
) -> list[Difference]:
    """Verify one dataset or tarball; a description that cannot be read may be repaired."""
    try:
        return check(root)
    except ManifestError as error:
        if not repairs or (isinstance(root, Path) and not opened.is_dataset(root)):
            raise
        return [Difference(description.FILE_NAME, str(error))]


class _Report(NamedTuple):
    root: str
    differences: list[Difference]
    repaired: list[str]
    readers: list[ReadBack] | None  # None without --readers

    @property
    def difference_count(self) -> int:
        read = self.readers or []
        return len(self.differences) + sum(reader.difference_count for reader in read)


def _as_json(reports: Sequence[_Report]) -> str:
    document = {report.root: _as_dict(report) for report in reports}
    return json.dumps(document, indent=1)


def _as_dict(report: _Report) -> dict[str, object]:
    document: dict[str, object] = {
        "sound": not report.difference_count,
        "differences": [difference._asdict() for difference in report.differences],
        "repaired": report.repaired,
    }
    if report.readers is not None:
        document["readers"] = [
            {**read._asdict(), "differences": [one._asdict() for one in read.differences]}
            for read in report.readers
        ]
    return document


def _as_text(report: _Report) -> str:
    root = report.root
    lines = [f"{root}/{file}: rebuilt" for file in report.repaired]
    lines += [_line(root, difference) for difference in report.differences]
    if report.readers == []:
        lines.append(f"{root}: no third-party library is known for its format")
    for read in report.readers or []:
        lines.append(f"{root}: {read}")
        lines += [_line(root, difference) for difference in read.differences]
        if unnamed := read.difference_count - len(read.differences):
            lines.append(f"{root}: {read.reader} has {unnamed:,} more differences")
    count = report.difference_count
    lines.append(f"{root}: {count} difference{'s' * (count != 1)}" if count else f"{root}: sound")
    return "\n".join(lines)


def _line(root: str, difference: Difference) -> str:
    file, what, key = difference
    return ": ".join(filter(None, (f"{root}/{file}" if file else root, key, what)))
