"""Query parameters of the gallery: those of `GET /api/jobs`, and the layout."""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlencode

from flask import request

from jobs.status import TERMINAL, Status
from jobs.store.search import Search
from receiver.schemas.query import METADATA, ListQuery, PageSize

Layout = Literal["gallery", "list"]

PAGE_SIZE = 48
ACTIVE_STATUSES = tuple(status for status in Status if status not in TERMINAL)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


class GalleryQuery(ListQuery):
    view: Layout = "gallery"
    limit: PageSize = PAGE_SIZE

    @property
    def is_filtered(self) -> bool:
        return self.search() != Search()


def normalized_address() -> str | None:
    """The address without empty fields and with full times; None if it is so already."""
    given = list(request.args.items(multi=True))
    normalized = [pair for name, value in given for pair in _normalize(name, value.strip())]
    return None if normalized == given else address_of(normalized)


def _normalize(name: str, value: str) -> Iterator[tuple[str, str]]:
    if not value:
        return
    if name == METADATA:  # the form has one field for all metadata: `user=42`
        key, _, text = value.partition("=")
        yield f"{METADATA}.{key.strip()}", text.strip()
    elif name in ("since", "until"):
        yield name, _utc_time(value)
    else:
        yield name, value


def _utc_time(text: str) -> str:
    """RFC 3339 for the day or minute of a date field; any other text is left as it is."""
    if _DAY.fullmatch(text):
        return f"{text}T00:00:00Z"
    return f"{text}:00Z" if _MINUTE.fullmatch(text) else text


def address(**changes: str | tuple[str, ...] | None) -> str:
    """The first page with changed parameters; None or an empty tuple removes one."""
    given = request.args.items(multi=True)
    unchanged = [(name, value) for name, value in given if name not in ("cursor", *changes)]
    changed = [(name, value) for name, values in changes.items() for value in _each(values)]
    return address_of(unchanged + changed)


def address_without(name: str, value: str) -> str:
    """The first page without one filter."""
    given = request.args.items(multi=True)
    return address_of([pair for pair in given if pair != (name, value) and pair[0] != "cursor"])


def address_of(pairs: list[tuple[str, str]]) -> str:
    return f"/?{urlencode(pairs)}" if pairs else "/"


def _each(values: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if values is None else (values,) if isinstance(values, str) else values
