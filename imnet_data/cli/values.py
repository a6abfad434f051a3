"""Values that commands take: sizes in bytes, lists of classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imnet_data import arguments
from imnet_data.imagenet import class_lists, labels
from imnet_data.imagenet.labels import is_wnid
from imnet_data.machine import files
from imnet_data.storage import address

if TYPE_CHECKING:
    from imnet_data.dataset.remote import RemoteFiles


def nbytes(text: str) -> int:
    """Read a size such as 256MiB, 1GB or 4096."""
    try:
        return arguments.nbytes("size", text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a size such as 256MiB or 1GB") from error


def classes(text: str) -> tuple[str, ...]:
    """Read wnids joined with commas, a file with one per line, a list's name, or `found`."""
    words = tuple(text.split(","))
    if all(map(is_wnid, words)) or words == ("found",):
        return words
    if text in class_lists.NAMES:
        return class_lists.wnids(text)
    try:
        lines = files.read_small(Path(text)).decode().splitlines()
    except (OSError, ValueError) as error:
        raise click.BadParameter(
            f"{text[:60]!r} is neither wnids joined with commas, nor `found`, nor one of "
            f"{', '.join(class_lists.NAMES)}, nor a file of wnids "
            f"({getattr(error, 'strerror', None) or 'not text'})"
        ) from error
    return tuple(line.split()[0] for line in lines if line.strip())


def label_space(name: str) -> str:
    """Read the name of a label space, or of a file that lists one."""
    try:
        labels.wnids_of(name)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return name


class LocalPath(click.Path):
    """A path on this machine; a URL is refused in one line, rather than made a folder `s3:`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if address.is_url(value):
            raise click.ClickException(
                f"{address.shown(str(value))}: is a URL, and this takes a path; `imnet-data copy` "
                "copies a dataset between folders and object stores"
            )
        return super().convert(value, param, ctx)


class Place(LocalPath):
    """A path on this machine, or a URL, which stays a text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the URL."""
        return str(value) if address.is_url(value) else super().convert(value, param, ctx)


def opened(where: Path | str, cache: Path | None, cache_size: int | None) -> Path | RemoteFiles:
    """Return a folder as it is, and of a URL what reads its files through a cache."""
    from imnet_data.dataset.remote import open_remote

    if isinstance(where, Path):
        if cache or cache_size:
            raise click.UsageError(f"--cache and --cache-size are for a URL, and {where} is none")
        return where
    if cache is None:
        raise click.UsageError(f"{address.shown(where)} is a URL; add --cache DIR")
    return open_remote(where, cache, cache_size)


place = Place(exists=True, path_type=Path)
source_path = LocalPath(exists=True, path_type=Path)
out_path = LocalPath(path_type=Path)
out_place = Place(path_type=Path)
cache = click.option(
    "--cache",
    type=out_path,
    metavar="DIR",
    help="Folder on a local disk that keeps what is fetched from a URL.",
)
cache_size = click.option(
    "--cache-size",
    type=nbytes,
    metavar="SIZE",
    help="Largest size of the shards in --cache, such as 500GB.  [default: no limit]",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of text."
)
batch_size = click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    default=64,
    show_default=True,
    help="Images per batch.",
)


def _ray_address(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what is no address: most likely a path that stands after --ray."""
    if value is None or value == "auto" or re.fullmatch(r"\S+:\d+", value):
        return value
    raise click.BadParameter(
        f"{value!r} is no address of a cluster (HOST:PORT); put --ray last, or write --ray=auto"
    )


ray = click.option(
    "--ray",
    is_flag=False,
    flag_value="auto",
    metavar="[ADDRESS]",
    callback=_ray_address,
    help="Run shards as tasks of the Ray cluster at ADDRESS (HOST:PORT), whose machines share "
    "all paths.  [default: RAY_ADDRESS, or the cluster that this machine belongs to]",
)
workers = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of worker processes.  [default: one per core]",
)
