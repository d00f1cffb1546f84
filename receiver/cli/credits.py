"""`credits`: show the remaining credits at BFL."""

import click

from jobs.config import settings
from jobs.services import build_bfl_clients
from receiver.bfl_account import Balance
from receiver.cli.base import Command, example


@click.command("credits", cls=Command, epilog=example("credits"))
def credits_left() -> None:
    """Show the remaining credits at BFL for each key in BFL_API_KEY and BFL_API_KEY_…."""
    for name, bfl in build_bfl_clients(settings.load()).items():
        if bfl.has_key or name is None:
            label = f"{name}: " if name else ""
            click.echo(label + Balance(bfl.credits_left()).text)
