"""`login`: make a link that logs in to the dashboard once."""

import click

from jobs.config import settings
from jobs.signing import LOGIN_SECONDS, LoginSigner
from receiver.cli.base import Command, example


@click.command(cls=Command, epilog=example("login"))
@click.option("--name", help="Name of a key in API_KEYS; the first with scope admin if absent.")
def login(name: str | None) -> None:
    """Make a link for one login to the dashboard, with the rights of a key."""
    loaded = settings.load()
    keys = [
        key for key in loaded.api_keys if key.name == name or (not name and key.scope == "admin")
    ]
    if not keys:
        raise click.UsageError("API_KEYS has no such key: give another --name.")
    token = LoginSigner(loaded.secret_key).sign(keys[0].name)
    click.echo(f"{loaded.base_url}/login/{token}")
    click.echo(f"It is for one login within {LOGIN_SECONDS // 60} minutes.", err=True)
