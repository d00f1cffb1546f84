"""Command line: `flask --app receiver <command>`."""

import click
from flask import Flask
from flask.cli import FlaskGroup, routes_command, run_command, shell_command

from receiver.cli.credits import credits_left
from receiver.cli.doctor import doctor
from receiver.cli.jobs import jobs
from receiver.cli.keys import keys
from receiver.cli.repair import repair
from receiver.cli.submit import submit

COMMANDS: tuple[click.Command, ...] = (submit, jobs, credits_left, keys, doctor, repair)
# Flask's own commands still work, but Fluxkeep is not made for its server.
HIDDEN: tuple[click.Command, ...] = (run_command, shell_command, routes_command)


def install(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
    for command in HIDDEN:
        command.hidden = True


def is_listing_commands() -> bool:
    """Whether the application is only made to find its commands.

    They read the settings themselves: help and doctor must work when those are wrong.
    """
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)
