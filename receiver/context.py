"""How views reach what the application was built with (`state.py`): each part by its type."""

from collections.abc import Iterable
from typing import Any, TypeVar, cast

from flask import current_app, has_request_context, request

from jobs.domain.errors import UrlRefused
from jobs.net.urls import parse
from jobs.services import Services

NAME = "fluxkeep"  # in the extensions of the Flask application

T = TypeVar("T")


class Parts:
    """The parts of an application, one of each type."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._parts = {type(part): part for part in parts}

    def get(self, kind: type[T]) -> T:
        return cast(T, self._parts[kind])

    def close(self) -> None:
        """Answer all waiting requests and end all event streams: the process stops."""
        for each in self._parts.values():
            if close := getattr(each, "close", None):
                close()


def part(kind: type[T]) -> T:
    """The part of this type of the current application."""
    return cast(Parts, current_app.extensions[NAME]).get(kind)


def current_services() -> Services:
    return part(Services)


def reader_origin() -> str | None:
    """Our own origin by the Host header of the current request; None without a proper one."""
    try:
        return str(parse(request.host_url).origin) if has_request_context() else None
    except UrlRefused:
        return None
