"""The command line: `flask --app receiver <command>`."""

import click
from flask import Flask
from flask.cli import FlaskGroup, routes_command, run_command, shell_command

from receiver.commands.credits import credits_left
from receiver.commands.doctor import doctor
from receiver.commands.fsck import fsck
from receiver.commands.jobs import jobs
from receiver.commands.keys import keys
from receiver.commands.rebuild import rebuild
from receiver.commands.submit import submit

COMMANDS: tuple[click.Command, ...] = (submit, jobs, credits_left, keys, doctor, fsck, rebuild)
# Flask's own still work, but its server is not the one that Fluxkeep is made for.
FLASKS_OWN: tuple[click.Command, ...] = (run_command, shell_command, routes_command)


def install(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
    for command in FLASKS_OWN:
        command.hidden = True


def looked_up() -> bool:
    """Whether the application is only made to find its commands.

    They read the settings themselves: help and doctor must work when those are wrong.
    """
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)
