"""Filters of the gallery: the query of its address, and the addresses that change it."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import request, url_for

from receiver.schemas.query import METADATA, ListQuery, PageSize

PAGE_SIZE = 48
STARRED_NAME = f"{METADATA}.starred"
STARRED_VALUE = "true"
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")

Parameter = tuple[str, str]  # name and value


class GalleryQuery(ListQuery):
    """The query parameters of `GET /api/jobs`."""

    limit: PageSize = PAGE_SIZE


class ActiveFilter(NamedTuple):
    """A filter as the page names it, and the address of the page without it."""

    text: str
    address_without: str


def parameters() -> list[Parameter]:
    return list(request.args.items(multi=True))


def parameters_except(*names: str) -> list[Parameter]:
    """The parameters that a form sends again. It leads to the first page: without the cursor."""
    left_out = (*names, "cursor")
    return [parameter for parameter in parameters() if parameter[0] not in left_out]


def normalize(sent_parameters: Sequence[Parameter]) -> list[Parameter]:
    """The fields of the form as the API takes them, without empty ones.

    Metadata come last. Of two entries with one name the last counts: the form sends the address's
    entry and then the one that replaces it.
    """
    normalized: list[Parameter] = []
    metadata: dict[str, str] = {}
    for name, text in sent_parameters:
        value = text.strip()
        if not value:
            continue
        if name == METADATA:  # the form has one field for all metadata: `user=42`
            key, _, entry = value.partition("=")
            metadata[f"{METADATA}.{key.strip()}"] = entry.strip()
        elif name.startswith(f"{METADATA}."):
            metadata[name] = value
        elif name in ("since", "until") and _MINUTE.fullmatch(value):  # of a date field
            normalized.append((name, f"{value}:00Z"))
        else:
            normalized.append((name, value))
    normalized.extend(metadata.items())
    return normalized


def active_filters() -> list[ActiveFilter]:
    """All filters but the status, which the tabs show."""
    filters = []
    for name, value in parameters():
        if name in ("status", "limit", "cursor"):
            continue
        values = request.args.getlist(name)
        values_without = [sent_value for sent_value in values if sent_value != value]
        address_without = address(**{name: values_without})
        filters.append(ActiveFilter(_filter_text(name, value), address_without))
    return filters


def _filter_text(name: str, value: str) -> str:
    if name == STARRED_NAME and value == STARRED_VALUE:
        return "Starred"
    if name == "q":
        return f"words: {value}"
    return f"{name.removeprefix(f'{METADATA}.')}: {value}"


def is_starred() -> bool:
    return request.args.get(STARRED_NAME) == STARRED_VALUE


def starred_address() -> str:
    """The page with starred jobs alone, or with all jobs if it shows starred ones now."""
    if is_starred():
        return address(**{STARRED_NAME: None})
    return address(**{STARRED_NAME: STARRED_VALUE})


def address(**changes: Any) -> str:
    """The first page with changed parameters; None or an empty list removes one."""
    values: dict[str, Any] = request.args.to_dict(flat=False)
    values["cursor"] = None
    values.update(changes)
    return url_for("dashboard.gallery.show", **values)
