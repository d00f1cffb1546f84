"""Access of views to the parts of their application (`state.py`), each by its type."""

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from flask import current_app, has_request_context, request

from jobs.domain.errors import UrlRefused
from jobs.net.urls import parse
from jobs.services import Services

NAME = "fluxkeep"  # in the extensions of the Flask application

Part = TypeVar("Part")


class Parts:
    """The parts of an application, one of each type."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._parts = {type(part): part for part in parts}

    def get(self, kind: type[Part]) -> Part:
        return cast(Part, self._parts[kind])

    def close(self) -> None:
        """Answer all waiting requests and end all event streams: the process stops."""
        for part in self._parts.values():
            close = getattr(part, "close", None)
            if close:
                close()


def part(kind: type[Part]) -> Part:
    """The part of this type of the current application."""
    return cast(Parts, current_app.extensions[NAME]).get(kind)


def current_services() -> Services:
    """The services of the current application."""
    return part(Services)


def reader_origin() -> str | None:
    """Our own origin by the Host header of the current request; None without a proper one."""
    if not has_request_context():
        return None
    try:
        return str(parse(request.host_url).origin)
    except UrlRefused:
        return None
