"""`credits`: show the remaining credits at BFL."""

import click

from jobs.config import settings
from jobs.services import build_bfl_client
from receiver.bfl_account import Balance
from receiver.cli.base import Command, example


@click.command("credits", cls=Command, epilog=example("credits"))
def credits_left() -> None:
    """Show the remaining credits at BFL for the key in BFL_API_KEY."""
    click.echo(Balance(build_bfl_client(settings.load()).credits_left()).text)
