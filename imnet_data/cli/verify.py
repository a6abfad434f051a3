"""`imnet-data verify`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from imnet_data.cli.progress import Progress
from imnet_data.cli.values import source_path, workers
from imnet_data.dataset import opened
from imnet_data.imagenet import facts
from imnet_data.machine.pool import cores
from imnet_data.machine.progress import steps
from imnet_data.sources import official
from imnet_data.verification.compare import compare
from imnet_data.verification.repair import repair
from imnet_data.verification.shard import Difference
from imnet_data.verification.verify import verify

if TYPE_CHECKING:
    from pathlib import Path


@click.command(name="verify")
@click.argument("path", nargs=-1, required=True, type=source_path)
@click.option("--decode", is_flag=True, help="Decode every image in full, too.")
@click.option(
    "--against", type=source_path, help="A dataset that must have the same records, in any format."
)
@click.option(
    "--repair",
    "repair_from",
    multiple=True,
    type=source_path,
    help="Make damaged files again from this source (may be given several times).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@workers
def command(
    path: tuple[Path, ...],
    decode: bool,
    against: Path | None,
    repair_from: tuple[Path, ...],
    as_json: bool,
    workers: int | None,
) -> None:
    """Verify datasets and official tarballs: exit status 0 if all is sound, 1 if not.

    Of a dataset, every file is held against SHA256SUMS and every record against the manifest; of an
    official tarball, size and MD5 against the published ones, and what is in it.
    """
    workers = workers or cores()
    found: dict[str, list[Difference]] = {}
    repaired: dict[str, list[str]] = {}
    with Progress() as progress:
        for root in path:
            if not opened.is_dataset(root):
                if root.is_file() and facts.official_file(root.name) is None:
                    click.echo(
                        f"{root}: no published name, so no size and MD5 to compare with; "
                        "what is in it is checked",
                        err=True,
                    )
                faults = official.check_official(root, steps(progress))
                found[str(root)] = [Difference("", fault) for fault in faults]
                continue
            differences = verify(root, decode=decode, workers=workers, progress=progress)
            if differences and repair_from:
                repaired[str(root)] = repair(
                    root, repair_from, differences, workers=workers, progress=progress
                )
                differences = verify(root, decode=decode, workers=workers, progress=progress)
            if against is not None:
                differences += verify(against, workers=workers, progress=progress)
                differences += compare(root, against)
            found[str(root)] = differences
    click.echo(_as_json(found, repaired) if as_json else _as_text(found, repaired))
    sys.exit(any(found.values()))


def _as_json(found: dict[str, list[Difference]], repaired: dict[str, list[str]]) -> str:
    document = {
        root: {
            "sound": not differences,
            "differences": [difference._asdict() for difference in differences],
            "repaired": repaired.get(root, []),
        }
        for root, differences in found.items()
    }
    return json.dumps(document, indent=1)


def _as_text(found: dict[str, list[Difference]], repaired: dict[str, list[str]]) -> str:
    lines = []
    for root, differences in found.items():
        lines += [f"{root}/{file}: made again" for file in repaired.get(root, [])]
        for file, what, key in differences:
            lines.append(": ".join(filter(None, (file and f"{root}/{file}", key, what))))
        count = len(differences)
        lines.append(
            f"{root}: {count} difference{'s' * (count != 1)}" if count else f"{root}: sound"
        )
    return "\n".join(lines)
