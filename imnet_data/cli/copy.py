"""`imnet-data copy`."""

from __future__ import annotations

import click

from imnet_data.cli.examples import examples
from imnet_data.cli.progress import Progress
from imnet_data.dataset.copying import copy
from imnet_data.storage import address


@click.command(
    name="copy",
    epilog=examples(
        "imnet-data copy imagenet s3://bucket/imagenet",
        "imnet-data copy s3://bucket/imagenet /data/imagenet",
    ),
)
@click.argument("source")
@click.argument("target")
def command(source: str, target: str) -> None:
    """Copy the dataset at SOURCE to TARGET; both are folders or URLs.

    URLs begin with s3://, gs://, az:// or https://, and need the extra `cloud`. Each file is
    compared with SHA256SUMS once it has arrived. To resume a stopped copy, run the same command
    again: what has arrived is not sent again.
    """
    with Progress() as progress:
        done = copy(source, target, progress=progress)
    shown = address.shown(target) if address.is_url(target) else target
    click.echo(
        f"{shown}: {done.files:,} files copied ({done.nbytes:,} bytes), {done.there:,} were there"
    )
