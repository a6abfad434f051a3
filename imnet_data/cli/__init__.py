"""The command line: one file per command, imported when it is called.

A command parses, calls and prints; the work belongs to the packages below. An ImnetError prints one
line to stderr and ends with exit status 1; wrong usage ends with 2, Ctrl-C with 130.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from typing import Any, cast

import click

from imnet_data.arguments import ArgumentError
from imnet_data.errors import ImnetError

# kept here so that --help, which lists them, imports none of the commands
_SUMMARIES = {
    "convert": "Convert tarballs, or any copy of ImageNet, to a dataset.",
    "join": "Join the parts that several machines converted.",
    "copy": "Copy a dataset between folders and object stores.",
    "verify": "Verify datasets and official tarballs; repair datasets.",
    "inspect": "Show what a dataset or a source contains.",
    "bench": "Measure an input pipeline and find its slowest stage.",
    "synth": "Write synthetic tarballs that look like ILSVRC2012's.",
    "demo": "Run the whole workflow on synthetic tarballs.",
    "train": "Train a model on a dataset.",
    "evaluate": "Evaluate a model; score each record exactly once.",
    "export": "Write what another project's reader needs beside the images.",
    "doctor": "Report what is installed, and whether it fits together.",
}
_RESUMABLE = ("convert", "copy", "join", "train")  # they keep what is done, and resume
_REMEDIES = {
    errno.EACCES: "; check its permissions and those of its folders",
    errno.ENOSPC: "; make room there",
}
_INTERRUPTED = 130  # 128 + SIGINT, as in shells


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

    def _option(self, ctx: click.Context, name: str) -> str:
        """Return the option of the command that has run whose value is the parameter `name`."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        options = command.params if command else []
        return next((one.opts[0] for one in options if one.name == name), name)

    def invoke(self, ctx: click.Context) -> Any:
        _require_streams()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except ImnetError as error:
            raise click.ClickException(str(error)) from error
        except ArgumentError as error:
            option = self._option(ctx, error.name)
            raise click.UsageError(f"{option} {error.problem}") from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader has seen enough; click ends silently
            _forget_output()
            raise click.ClickException(_text(error)) from error
        except (KeyboardInterrupt, click.Abort):
            again = "; run the same command again to resume"
            click.echo(f"\nstopped{again * (ctx.invoked_subcommand in _RESUMABLE)}", err=True)
            sys.exit(_INTERRUPTED)


def _require_streams() -> None:
    """Refuse a closed stdout, and open the other streams so that no file gets their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stdout is None:
        raise click.ClickException("standard output is closed; send it to /dev/null instead")


def _forget_output() -> None:
    """Discard what could not be written; Python would try again at exit."""
    with contextlib.suppress(OSError, ValueError):  # streams of tests have no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _text(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "")
    return f"{name}{error.strerror or error}{remedy}"


def _print_version(ctx: click.Context, option: click.Parameter, is_given: bool) -> None:
    if not is_given or ctx.resilient_parsing:
        return
    from imnet_data.installation import build

    try:
        click.echo(build.text(build.build()))
    except ImnetError as error:
        raise click.ClickException(str(error)) from error
    ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version, the native core and the libraries found, and exit.",
)
def main() -> None:
    """From the official ImageNet tarballs to a verified dataset in your trainer's format."""
