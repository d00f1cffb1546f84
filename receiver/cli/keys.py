"""`keys`: make API keys; the server needs only their hashes."""

import re
import secrets

import click

from jobs.config.api_keys import SCOPES, ApiKey, Scope
from receiver.cli.command import Command

KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@click.group(short_help="Make API keys: keys new --name app --scope submit")
def keys() -> None:
    """Make keys of the HTTP API.

    \b
    Example:
      flask --app receiver keys new --name app --scope submit
    """


def _plain(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter("1 to 64 of A-Z a-z 0-9 . _ -")
    return name


@keys.command("new", cls=Command, short_help="Make a key and its entry for API_KEYS.")
@click.option("--name", required=True, callback=_plain, help="The app that will use it.")
@click.option("--scope", required=True, type=click.Choice(SCOPES), help="What it may do.")
def new(name: str, scope: Scope) -> None:
    """Make a key and its entry for API_KEYS.

    The key is shown this once: give it to the app that will use it. The entry holds only its hash;
    add it to API_KEYS of the web process and restart that.

    \b
    Example:
      flask --app receiver keys new --name app --scope submit
    """
    key = secrets.token_urlsafe(KEY_BYTES)
    click.echo(f"key    {key}")
    click.echo(f"entry  {ApiKey.hashed(name, key, scope).entry}")
