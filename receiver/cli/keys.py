"""`keys`: create API keys, kept as hashes."""

import re
import secrets

import click

from jobs.config import settings
from jobs.config.api_keys import SCOPES, ApiKey, Scope
from jobs.config.platform_defaults import derived_notify_secret, derived_webhook_secret
from jobs.domain.budgets import Budget
from receiver.cli.base import Command, example

KEY_BYTES = 32
_NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EXAMPLE = example("keys new --name app --scope submit")


@click.group(epilog=_EXAMPLE)
def keys() -> None:
    """Create keys for the HTTP API."""


@keys.command("new", cls=Command, epilog=_EXAMPLE)
@click.option("--name", required=True, help="Name of the app.")
@click.option("--scope", required=True, type=click.Choice(SCOPES), help="Permissions of the key.")
@click.option(
    "--own",
    "sees_own_jobs_only",
    is_flag=True,
    help="It sees only jobs that keys of its name brought.",
)
@click.option("--budget", "budgets", multiple=True, help="Credits of a period: 500/month.")
def create_key(
    name: str, scope: Scope, *, sees_own_jobs_only: bool, budgets: tuple[str, ...]
) -> None:
    """Create a key and its entry for API_KEYS.

    The key is shown only once: give it to the app that will use it. The entry holds its hash. Add
    the entry to API_KEYS of every process, and restart them. --budget may be repeated.
    """
    if not _NAME_PATTERN.fullmatch(name):
        raise click.BadParameter("1 to 64 of A-Z a-z 0-9 . _ -", param_hint="'--name'")
    try:
        parsed_budgets = [Budget.parse(budget) for budget in budgets]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--budget'") from None
    key = secrets.token_urlsafe(KEY_BYTES)
    click.echo(f"key    {key}")
    entry = ApiKey.hashed(
        name, key, scope, sees_own_jobs_only=sees_own_jobs_only, budgets=parsed_budgets
    )
    click.echo(f"entry  {entry.setting}")


@keys.command("derived", cls=Command, epilog=example("keys derived"))
def derived() -> None:
    """Show the secrets that are derived from SECRET_KEY, where none is set.

    You send WEBHOOK_SECRET to BFL with each task that you submit to BFL yourself. Receivers of
    notifications verify them with NOTIFY_SECRET.
    """
    loaded = settings.load()
    first_key = loaded.secret_key[0].get_secret_value()
    pairs = (
        ("WEBHOOK_SECRET", loaded.webhook_secret, derived_webhook_secret(first_key)),
        ("NOTIFY_SECRET", loaded.notify_secret, derived_notify_secret(first_key)),
    )
    for name, configured, derived_secret in pairs:
        is_derived = configured[0].get_secret_value() == derived_secret
        click.echo(f"{name}  {derived_secret if is_derived else 'is set, not derived'}")
