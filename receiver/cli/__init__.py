"""Command line: `flask --app receiver <command>`."""

import sys

import click
from click.core import ParameterSource
from flask import Flask
from flask.cli import FlaskGroup, routes_command, run_command, shell_command

from receiver.cli.archive import archive
from receiver.cli.credits import credits_left
from receiver.cli.doctor import doctor
from receiver.cli.jobs import jobs
from receiver.cli.keys import keys
from receiver.cli.login import login
from receiver.cli.repair import repair
from receiver.cli.submit import submit

COMMANDS = (submit, jobs, archive, credits_left, keys, login, doctor, repair)
HELP = """Fluxkeep keeps the media of jobs at BFL's FLUX API.

The commands need the settings of its processes; after `make run` they find them in var/run.env.
"""
# Flask's own commands work but are not listed: its development server is not for Fluxkeep.
HIDDEN: tuple[click.Command, ...] = (run_command, shell_command, routes_command)


def install(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
    for hidden in HIDDEN:
        hidden.hidden = True
    # Flask writes the beginning of its help before it asks an application for its commands.
    context = click.get_current_context(silent=True)
    if context and is_listing_commands() and context.command.help != HELP:
        context.command.help = HELP
        option = context.command.get_help_option(context)
        source = None
        if option:
            source = context.get_parameter_source(option.name or "")
        if source is ParameterSource.COMMANDLINE:
            click.echo(context.get_help())
            sys.exit()


def is_listing_commands() -> bool:
    """Whether Flask creates the application only to find its commands.

    Commands load the settings themselves: help and doctor must work with invalid settings.
    """
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)
