"""The command line: one file a command, imported when it is called.

A command parses, calls and prints; the work belongs to the packages below. An ImnetError is one
line on stderr and exit status 1; wrong usage is 2; a stop by Ctrl-C is 130.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, cast

import click

from imnet_data.errors import ImnetError

# kept here so that --help, which lists them, imports none of the commands
_SUMMARIES = {
    "convert": "Convert tarballs or any copy of ImageNet to a dataset.",
    "verify": "Verify datasets and official tarballs, or repair a dataset.",
    "inspect": "Show what is in a dataset or a source.",
    "bench": "Measure which stage of an input pipeline limits it.",
    "synth": "Write synthetic tarballs of the shape of ILSVRC2012.",
    "demo": "Run the whole workflow on synthetic tarballs.",
    "train": "Train a model on a dataset.",
    "evaluate": "Evaluate a model on a dataset, each record exactly once.",
}
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_SUMMARIES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _SUMMARIES:
            return None
        return cast("click.Command", importlib.import_module(f"imnet_data.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_SUMMARIES.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImnetError as error:
            raise click.ClickException(str(error)) from error
        except (KeyboardInterrupt, click.Abort):
            click.echo("\nstopped; run the same command again: it goes on", err=True)
            sys.exit(_INTERRUPTED)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imnet-data")
def main() -> None:
    """From the official ImageNet tarballs to a verified dataset in your trainer's format."""
