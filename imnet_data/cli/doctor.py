"""`imnet-data doctor`: what is installed, what could be, and what does not fit together."""

from __future__ import annotations

import click

from imnet_data.cli.examples import examples
from imnet_data.installation.report import report, text, to_json


@click.command("doctor", epilog=examples("imnet-data doctor", "imnet-data doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Report what is installed, what each extra would add, and whether the GPU stack fits.

    The exit status is 1 if something that is needed is missing, too old, or does not fit together.
    Neither an extra that is not installed nor a machine without a GPU is a problem.
    """
    found = report()
    click.echo(to_json(found) if as_json else text(found))
    ctx.exit(1 if found.problems else 0)
