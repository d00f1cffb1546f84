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
    return str(error) if getattr(error, "errors", None) else as_sentence(str(error))


def load_services() -> Services:
    """Raises InvalidSettings."""
    return for_web(settings.load())


def pairs(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """Parse options of the form `name=value`."""
    found = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, found, strict=True):
        if not (name and equals):
            raise click.BadParameter(f"{text!r} is not name=value")
    return {name: value for name, _, value in found}


def full_id(services: Services, text: str) -> str:
    """The only job's id that begins so, or the text itself. Raises BadRequest for several."""
    if len(text) < PREFIX_MIN_CHARS or not TASK_ID.fullmatch(text) or services.catalog.load(text):
        return text
    found = services.catalog.ids(text)
    if len(found) > 1:
        raise BadRequest(f"{len(found)} jobs have an id that begins with {text}: give more of it.")
    return found[0] if found else text


def example(command: str) -> str:
    """The epilog of a command's help."""
    return f"Example: flask --app receiver {command}"


def plain(text: str) -> str:
    """Replace characters of untrusted text that could control a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
