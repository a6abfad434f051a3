"""A command line as a person types it: its options and values are known."""

import shlex

import click

from imnet_data.cli import main


def command(name: str) -> click.Command:
    """Return a command of the program."""
    found = main.get_command(click.Context(main), name)
    assert found is not None, name
    return found


def require_known(line: str) -> str:
    """Parse a line, and convert all of its values but names of files; return the command's name."""
    program, name, *words = shlex.split(line)
    assert program == "imnet-data", line
    context = click.Context(command(name), info_name=name)
    values, rest, _ = command(name).make_parser(context).parse_args(words)
    assert rest == [], line
    for parameter in command(name).params:
        if not isinstance(parameter.type, (click.Path, click.Tuple)):
            parameter.type_cast_value(context, values.get(str(parameter.name)))
    return name
