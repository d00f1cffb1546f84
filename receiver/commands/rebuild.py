"""`rebuild`: the records come back from the storage after Redis was lost."""

from collections import Counter

import click

from receiver import returns
from receiver.commands.command import Command, plain, services
from receiver.returns import Outcome


@click.command(cls=Command, short_help="Bring records back from the storage: rebuild")
def rebuild() -> None:
    """Bring the records of stored jobs back from the notes beside their media.

    For when Redis was lost. A record that exists is never changed, so it can be interrupted,
    repeated, and run while Fluxkeep is at work. Files that are no notes of Fluxkeep's are skipped
    and named.

    \b
    Example:
      flask --app receiver rebuild
    """
    outcomes: Counter[Outcome] = Counter()
    for page in returns.all_of_them(services()):
        outcomes.update(one.outcome for one in page)
        for one in page:
            if one.outcome is Outcome.SKIPPED:
                click.echo(plain(f"skipped {one.key}: {one.why}"), err=True)
        click.echo(f"{outcomes.total()} notes read, {outcomes[Outcome.RETURNED]} jobs", err=True)
    click.echo("; ".join(f"{outcomes[outcome]} {outcome}" for outcome in Outcome))
