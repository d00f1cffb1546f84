"""Base class of the commands: an error becomes one sentence and exit status 1."""

import logging
from typing import Any

import click

from jobs.config import settings
from jobs.domain.errors import FluxkeepError, Invalid, InvalidSettings
from jobs.services import Services, for_web


class Command(click.Command):
    """Command that ends with status 1 and one sentence when a FluxkeepError is raised."""

    def invoke(self, ctx: click.Context) -> Any:
        logging.disable(logging.WARNING)  # the command itself reports what went wrong
        try:
            return super().invoke(ctx)
        except FluxkeepError as error:
            raise click.ClickException(sentence(error)) from None


def sentence(error: FluxkeepError) -> str:
    """The message of an error for the terminal."""
    if isinstance(error, InvalidSettings):
        return f"{error}. See: flask --app receiver doctor"
    if isinstance(error, Invalid):
        return "; ".join(f"{field['field']}: {field['message']}" for field in error.errors)
    return str(error)


def services() -> Services:
    """Raises InvalidSettings."""
    return for_web(settings.load())


def example(command: str) -> str:
    """The epilog of a command's help."""
    return f"Example: flask --app receiver {command}"


def plain(text: str) -> str:
    """Replace characters of untrusted text that could control a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
