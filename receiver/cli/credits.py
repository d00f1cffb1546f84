"""`credits`: show the remaining credits at BFL."""

import click

from jobs.config import settings
from jobs.services import build_bfl_client
from receiver.cli.command import Command, example
from receiver.credits import amount, balance


@click.command("credits", cls=Command, epilog=example("credits"))
def credits_left() -> None:
    """Show the remaining credits at BFL for the key in BFL_API_KEY."""
    click.echo(amount(balance(build_bfl_client(settings.load()))))
