"""`imnet-data inspect`: what is in a dataset or a source, one record of it, or a page about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imnet_data.cli import output
from imnet_data.cli.values import source_path
from imnet_data.errors import FormatError, verify_command
from imnet_data.inspection import page, summary, text

if TYPE_CHECKING:
    from pathlib import Path


@click.command("inspect")
@click.argument("path", type=source_path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--record", metavar="KEY|INDEX", help="Tell about one record, and check its hash.")
@click.option("--split", help="Where the record is.  [default: where the key is, or train]")
@click.option("--save", type=output.path, help="Write the record's JPEG to a file.")
@click.option("--html", type=output.path, help="Write a page with pictures and charts to a file.")
@output.overwrite
def command(
    *,
    path: Path,
    as_json: bool,
    record: str | None,
    split: str | None,
    save: Path | None,
    html: Path | None,
    overwrite: bool,
) -> None:
    """Tell what is in PATH, a dataset or a source that could be converted to one.

    With --record it is one record that is told about, and its bytes are held against its hash: exit
    status 1 if they are damaged.
    """
    if record is None and (split or save):
        raise click.UsageError("--split and --save go with --record")
    if record is not None and html:
        raise click.UsageError("--html shows the whole dataset; leave out --record")
    output.require_all_new((save, html), overwrite=overwrite)
    if record is not None:
        content = _tell_record(path, record, split, saves=save is not None, as_json=as_json)
        if save:
            output.write(save, content, overwrite=overwrite)
        return
    told = summary.summary(path)
    if html:
        output.write(html, page.page(path), overwrite=overwrite)
    click.echo(summary.to_json(told) if as_json else text.text(told))


def _tell_record(path: Path, which: str, split: str | None, *, saves: bool, as_json: bool) -> bytes:
    """Print what is known of a record; return its JPEG, to be saved."""
    try:
        told, content = summary.record(path, which, split)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--record") from error
    click.echo(summary.to_json(told) if as_json else text.record_text(told))
    if not told.is_sound:
        raise FormatError(
            f"{told.key} in {path / told.shard} at {told.offset}: is damaged; "
            f"run {verify_command(path, repairs=True)}"
        )
    if saves and told.stored_as == "pixels":
        raise FormatError(f"{told.key}: is stored as pixels, there is no JPEG to be saved")
    return content
