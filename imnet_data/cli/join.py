"""`imnet-data join`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imnet_data.cli.convert import result
from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.cli.values import out_place, workers
from imnet_data.conversion.join import join

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    name="join",
    epilog=examples("imnet-data join imagenet", "imnet-data join imagenet --workers 4"),
)
@click.argument("out", type=out_place)
@workers
def command(out: Path | str, workers: int | None) -> None:
    """Join the parts at OUT, a folder or a URL, which `convert --part` wrote, to a dataset.

    The last part to end does this by itself; this command is for when that part was stopped. It
    needs no SOURCE, and does nothing to a finished dataset.
    """
    with Progress() as progress:
        about = join(out, workers=workers, progress=progress)
    click.echo(result(out, about))
