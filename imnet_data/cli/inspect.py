"""`imnet-data inspect`: what is in a dataset or a source, one record of it, or a page about it."""

from __future__ import annotations

from pathlib import Path

import click

from imnet_data.cli.values import source_path
from imnet_data.errors import FormatError
from imnet_data.inspection import page, summary, text
from imnet_data.machine.files import write_whole

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("inspect")
@click.argument("path", type=source_path)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--record", metavar="KEY|INDEX", help="Tell about one record, and check its hash.")
@click.option("--split", help="Where the record is.  [default: where the key is, or train]")
@click.option("--save", type=_FILE, help="Write the record's JPEG to a file.")
@click.option("--html", type=_FILE, help="Write a page with pictures and charts to a file.")
def command(
    *,
    path: Path,
    as_json: bool,
    record: str | None,
    split: str | None,
    save: Path | None,
    html: Path | None,
) -> None:
    """Tell what is in PATH, a dataset or a source that could be converted to one.

    With --record it is one record that is told about, and its bytes are held against its hash: exit
    status 1 if they are damaged.
    """
    if record is None and (split or save):
        raise click.UsageError("--split and --save go with --record")
    if record is not None and html:
        raise click.UsageError("--html shows the whole dataset; leave out --record")
    if record is not None:
        _tell_record(path, record, split, save, as_json=as_json)
        return
    told = summary.summary(path)
    if html:
        _write(html, page.page(path).encode())
    click.echo(summary.to_json(told) if as_json else text.text(told))


def _tell_record(
    path: Path, which: str, split: str | None, save: Path | None, *, as_json: bool
) -> None:
    try:
        told, content = summary.record(path, which, split)
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--record") from error
    click.echo(summary.to_json(told) if as_json else text.record_text(told))
    if not told.is_sound:
        raise FormatError(
            f"{told.key} in {path / told.shard} at {told.offset}: is damaged; "
            f"run `imnet-data verify {path} --repair SOURCE`"
        )
    if save:
        if told.stored_as == "pixels":
            raise FormatError(f"{told.key}: is stored as pixels, there is no JPEG to be saved")
        _write(save, content)


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise click.FileError(str(path), error.strerror) from error
