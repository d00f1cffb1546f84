"""What the gallery is asked for: as the API's list, and how it is shown."""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlencode

from flask import request

from jobs.status import TERMINAL, Status
from jobs.store.search import Search
from receiver.schemas.query import METADATA, ListQuery, PageSize

View = Literal["gallery", "list"]

PAGE_SIZE = 48
ACTIVE_STATUSES = tuple(state for state in Status if state not in TERMINAL)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


class BoardQuery(ListQuery):
    """The parameters of `GET /api/jobs`, and `view`."""

    view: View = "gallery"
    limit: PageSize = PAGE_SIZE

    @property
    def narrowed(self) -> bool:
        """Whether there can be jobs that it leaves out."""
        return self.search() != Search()


def tidied() -> str | None:
    """The address as it is shared, when a form sent another: without what was left empty."""
    given = list(request.args.items(multi=True))
    tidy = [pair for name, value in given for pair in _tidy(name, value.strip())]
    return None if tidy == given else address_of(tidy)


def _tidy(name: str, value: str) -> Iterator[tuple[str, str]]:
    if not value:
        return
    if name == METADATA:  # a form has one field for it, `user=42`
        key, _, text = value.partition("=")
        yield f"{METADATA}.{key.strip()}", text.strip()
    elif name in ("since", "until"):
        yield name, _moment(value)
    else:
        yield name, value


def _moment(text: str) -> str:
    """A day or a minute of a date field, in UTC."""
    if _DAY.fullmatch(text):
        return f"{text}T00:00:00Z"
    return f"{text}:00Z" if _MINUTE.fullmatch(text) else text


def address(**changes: str | tuple[str, ...] | None) -> str:
    """This page with other parameters; None leaves one out. It begins with the newest again."""
    known = request.args.items(multi=True)
    kept = [(name, value) for name, value in known if name not in ("cursor", *changes)]
    new = [(name, value) for name, values in changes.items() for value in _each(values)]
    return address_of(kept + new)


def without(name: str, value: str) -> str:
    """This page without one condition."""
    known = request.args.items(multi=True)
    return address_of([pair for pair in known if pair != (name, value) and pair[0] != "cursor"])


def address_of(pairs: list[tuple[str, str]]) -> str:
    return f"/?{urlencode(pairs)}" if pairs else "/"


def _each(values: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if values is None else (values,) if isinstance(values, str) else values
