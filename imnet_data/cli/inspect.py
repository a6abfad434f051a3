"""`imnet-data inspect`: what is in a dataset or a source, one record of it, or a page about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imnet_data.cli import output
from imnet_data.cli.examples import examples
from imnet_data.cli.values import as_json, label_space, place
from imnet_data.errors import FormatError, verify_command
from imnet_data.inspection import page, summary, text
from imnet_data.jpeg import Verdict
from imnet_data.sources.opening import is_dataset
from imnet_data.storage import address

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "inspect",
    epilog=examples(
        "imnet-data inspect tarballs",
        "imnet-data inspect imagenet --html imagenet.html",
        "imnet-data inspect imagenet --record n01440764_10026 --save fish.jpg",
    ),
)
@click.argument("path", type=place)
@as_json
@click.option("--record", metavar="KEY|INDEX", help="Show one record, and check its hash.")
@click.option(
    "--verdict",
    type=click.Choice([verdict.value for verdict in Verdict]),
    help="Print split and key of each record whose image has this verdict.",
)
@click.option(
    "--split",
    metavar="NAME",
    help="Split of the record, or of a source.  [default: the split that has the key; train for "
    "an index; all of them with --verdict, and of a source]",
)
@click.option(
    "--labels",
    type=label_space,
    metavar="NAME|FILE",
    help="What the integer labels of another tool's files mean; see `convert --help`.",
)
@click.option("--save", type=output.path, help="Write the record's JPEG to this file.")
@click.option(
    "--html", type=output.path, help="Write a page with pictures and charts to this file."
)
@output.overwrite
def command(
    *,
    path: Path | str,
    as_json: bool,
    record: str | None,
    verdict: str | None,
    split: str | None,
    labels: str | None,
    save: Path | None,
    html: Path | None,
    overwrite: bool,
) -> None:
    """Show what PATH contains: a dataset, or a source that can be converted to one.

    With --record, show one record and compare its bytes with its hash. The exit status is 1 if they
    are damaged.

    PATH may be the URL of either in an object store (extra `cloud`). Of a dataset only the files
    that describe it are fetched, and the bytes of the one record; tars are listed where they are.
    """
    if record is None and save:
        raise click.UsageError("--save goes with --record")
    if isinstance(path, str) and html:
        raise click.ClickException(
            f"--html does not go with the URL {address.shown(path)}; copy the dataset to a disk "
            "with `imnet-data copy`"
        )
    if split and record is None and verdict is None and is_dataset(path):
        raise click.UsageError("--split of a dataset goes with --record or --verdict")
    if verdict is not None and (record is not None or html or as_json):
        raise click.UsageError("--verdict lists keys; leave out --record, --html and --json")
    if record is not None and html:
        raise click.UsageError("--html shows the whole dataset; leave out --record")
    output.require_all_new((save, html), overwrite=overwrite)
    if record is not None:
        content = _show_record(path, record, split, saves=save is not None, as_json=as_json)
        if save:
            output.write(save, content, overwrite=overwrite)
        return
    if verdict is not None:
        for listed in summary.keys_by_verdict(path, verdict, split):
            click.echo("\t".join(listed))
        return
    found = summary.summary(path, label_space=labels, split=split)
    if html:
        output.write(html, page.page(path), overwrite=overwrite)
    click.echo(summary.to_json(found) if as_json else text.text(found))


def _show_record(
    path: Path | str, which: str, split: str | None, *, saves: bool, as_json: bool
) -> bytes:
    """Print what is known of a record, and return its JPEG."""
    try:
        shown, content = summary.record(path, which, split)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--record") from error
    click.echo(summary.to_json(shown) if as_json else text.record_text(shown))
    if not shown.is_sound:
        name = address.shown(path)
        raise FormatError(
            f"{shown.key} in {name}/{shown.shard} at {shown.offset}: is damaged; "
            f"run {verify_command(name, repairs=True)}"
        )
    if saves and shown.stored_as == "pixels":
        raise FormatError(f"{shown.key}: is stored as pixels; there is no JPEG to save")
    return content
