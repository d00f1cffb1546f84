"""What all commands share: services of their own, and errors in sentences."""

import logging
from typing import Any

import click

from jobs import settings
from jobs.errors import FluxkeepError, Invalid, InvalidSettings
from jobs.services import Services, for_web


class Command(click.Command):
    """Ends with 1 and one sentence when something went wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        logging.disable(logging.WARNING)  # what goes wrong is said by the command
        try:
            return super().invoke(ctx)
        except FluxkeepError as error:
            raise click.ClickException(sentence(error)) from None


def sentence(error: FluxkeepError) -> str:
    """What went wrong, for a person."""
    if isinstance(error, InvalidSettings):
        return f"{error}. See: flask --app receiver doctor"
    if isinstance(error, Invalid):
        return "; ".join(f"{one['field']}: {one['message']}" for one in error.errors)
    return str(error)


def services() -> Services:
    """Raises InvalidSettings."""
    return for_web(settings.load())


def plain(text: str) -> str:
    """A text from outside without what could steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
