"""Base class of the commands: errors become one sentence and exit status 1."""

import logging
from typing import Any

import click

from jobs.config import settings
from jobs.errors import FluxkeepError, Invalid, InvalidSettings
from jobs.services import Services, for_web


class Command(click.Command):
    """End with status 1 and one sentence on a FluxkeepError."""

    def invoke(self, ctx: click.Context) -> Any:
        logging.disable(logging.WARNING)  # the command itself reports what went wrong
        try:
            return super().invoke(ctx)
        except FluxkeepError as error:
            raise click.ClickException(sentence(error)) from None


def sentence(error: FluxkeepError) -> str:
    """The message of an error, for a person."""
    if isinstance(error, InvalidSettings):
        return f"{error}. See: flask --app receiver doctor"
    if isinstance(error, Invalid):
        return "; ".join(f"{one['field']}: {one['message']}" for one in error.errors)
    return str(error)


def services() -> Services:
    """Raises InvalidSettings."""
    return for_web(settings.load())


def plain(text: str) -> str:
    """Replace the characters of a foreign text that could control a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
