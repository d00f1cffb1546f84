"""Base class of the commands: an error becomes one sentence and exit status 1."""

import logging
from typing import Any

import click

from jobs.bfl.parsing import TASK_ID
from jobs.config import settings
from jobs.domain.errors import BadRequest, FluxkeepError, InvalidSettings, as_sentence
from jobs.services import Services, for_web

PREFIX_MIN_CHARS = 4


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
    has_messages_by_field = bool(getattr(error, "errors", None))
    if has_messages_by_field:  # such a list gets no capital letter and no full stop
        return str(error)
    return as_sentence(str(error))


def load_services() -> Services:
    """The services by the settings of the environment. Raises InvalidSettings."""
    return for_web(settings.load())


def parse_pairs(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """Parse options of the form `name=value`; the values by name."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not name=value")
        values[name] = value
    return values


def full_id(services: Services, prefix: str) -> str:
    """The id of the only job whose id begins with a prefix; the prefix if there is no such job.

    Raises BadRequest if several ids begin with the prefix.
    """
    may_be_prefix = len(prefix) >= PREFIX_MIN_CHARS and TASK_ID.fullmatch(prefix)
    if not may_be_prefix or services.catalog.load(prefix):
        return prefix
    ids = services.catalog.ids(prefix)
    if len(ids) > 1:
        raise BadRequest(f"{len(ids)} jobs have an id that begins with {prefix}: give more of it.")
    if not ids:
        return prefix
    return ids[0]


def example(command: str) -> str:
    """The epilog of a command's help."""
    return f"Example: flask --app receiver {command}"


def printable(text: str) -> str:
    """Replace characters of untrusted text that could control a terminal."""
    characters = []
    for character in text:
        if character.isprintable():
            characters.append(character)
        else:
            characters.append("\N{REPLACEMENT CHARACTER}")
    return "".join(characters)
