"""`login`: make a link for one login to the dashboard, with the rights of an API key."""

from collections.abc import Iterable

import click

from jobs.config import settings
from jobs.config.api_keys import ApiKey
from jobs.signing import LOGIN_SECONDS, LoginSigner
from receiver.cli.base import Command, example


@click.command(cls=Command, epilog=example("login"))
@click.option("--name", help="Name of a key in API_KEYS; the first with scope admin if absent.")
def login(name: str | None) -> None:
    """Make a link for one login to the dashboard, with the rights of a key."""
    loaded = settings.load()
    key = _find_key(loaded.api_keys, name)
    if key is None:
        raise click.UsageError("API_KEYS has no such key: give another --name.")
    token = LoginSigner(loaded.secret_key).sign(key.name)
    click.echo(f"{loaded.base_url}/login/{token}")
    click.echo(f"It is for one login within {LOGIN_SECONDS // 60} minutes.", err=True)


def _find_key(api_keys: Iterable[ApiKey], name: str | None) -> ApiKey | None:
    """The first key of this name; without a name the first with scope admin."""
    for key in api_keys:
        if name:
            is_wanted = key.name == name
        else:
            is_wanted = key.scope == "admin"
        if is_wanted:
            return key
    return None
