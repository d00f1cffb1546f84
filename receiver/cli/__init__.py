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
# Flask's own commands work but are not listed: its development server is not for Fluxkeep.
HIDDEN: tuple[click.Command, ...] = (run_command, shell_command, routes_command)


def install(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
    for command in HIDDEN:
        command.hidden = True


def is_listing_commands() -> bool:
    """Whether Flask creates the application only to find its commands.

    Commands load the settings themselves: help and doctor must work with invalid settings.
    """
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)
