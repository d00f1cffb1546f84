"""What callers may ask: query parameters, checked before anything is done."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, get_origin

from flask import request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

from jobs.bfl import parsing
from jobs.config.settings import Settings
from jobs.errors import InvalidField
from jobs.status import Source, Status
from jobs.store.events import POSITION_FORM, EventPosition
from jobs.store.listing import Position
from jobs.store.search import Search
from receiver.schemas import cursors, times
from receiver.schemas.bodies import MODEL_MAX_CHARS, complaint
from receiver.schemas.patterns import anchored, said

NAME_SHOWN_CHARS = 50
LINK_TTL_DIGITS = 9
PAGE_DEFAULT = 50
PAGE_MAX = 200
FILTERS_MAX = 8
FILTER_NAME_MAX_CHARS = 200  # a URL has 4094
FILTER_VALUE_MAX_CHARS = 1000
WAIT_MAX_SECONDS = 60.0
METADATA = "metadata"


class Query(BaseModel):
    """The parameters of a request; each field is one, `None` when it was not given."""

    model_config = ConfigDict(extra="forbid")
    repeated: ClassVar[frozenset[str]] = frozenset()  # may come again with the same value

    @classmethod
    def read(cls) -> Self:
        """Raises BadField naming the parameter that is wrong."""
        given: dict[str, Any] = {}
        for name, found in request.args.lists():
            values = list(dict.fromkeys(found)) if name in cls.repeated else found
            if name in cls.model_fields or cls.model_config["extra"] == "forbid":
                _put(given, name, values, cls.model_fields)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise _first(error) from None


def _put(
    given: dict[str, Any], name: str, values: list[str], known: Mapping[str, FieldInfo]
) -> None:
    group, dot, key = name.partition(".")
    if group == METADATA and dot and METADATA in known:
        given.setdefault(METADATA, {})[key] = _only(name, values)
    elif name not in known or name == METADATA:
        raise InvalidField(name[:NAME_SHOWN_CHARS], "no such parameter")
    else:
        repeats = get_origin(known[name].annotation) is list
        given[name] = values if repeats else _only(name, values)


def _only(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise InvalidField(name[:NAME_SHOWN_CHARS], "only once")
    return values[0]


def _first(error: ValidationError) -> InvalidField:
    """By the name that was asked: without the place in a list, or pydantic's own "[key]"."""
    first = error.errors()[0]
    names = tuple(part for part in first["loc"] if isinstance(part, str) and part != "[key]")
    said = complaint({**first, "loc": names})
    return InvalidField(said["field"][:NAME_SHOWN_CHARS], said["message"])


def _text(pattern: str, meaning: str) -> BeforeValidator:
    """Before pydantic reads a number, which would take "1_0" and Arabic digits."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(meaning)
        return value

    return BeforeValidator(check)


PageSize = Annotated[
    int, Field(ge=1, le=PAGE_MAX), _text("[0-9]{1,3}", f"a whole number from 1 to {PAGE_MAX}")
]
LinkSeconds = Annotated[
    int,
    Field(ge=1),
    _text(f"[0-9]{{1,{LINK_TTL_DIGITS}}}", "a whole number of seconds"),
]
# Any number as JSON has it.
Seconds = Annotated[
    float,
    Field(ge=0, le=WAIT_MAX_SECONDS),
    _text(
        r"-?[0-9]{1,2}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        f"seconds from 0 to {WAIT_MAX_SECONDS:g}",
    ),
]
Time = Annotated[
    float,
    PlainValidator(times.read, json_schema_input_type=str),
    WithJsonSchema(
        {"type": "string"} | {"anyOf": [{"format": "date-time"}, {"pattern": anchored(times.UNIX)}]}
    ),
]
Cursor = Annotated[
    Position,
    PlainValidator(cursors.place, json_schema_input_type=str),
    WithJsonSchema({"type": "string", "pattern": anchored(cursors.PATTERN)}),
]
EventId = Annotated[
    EventPosition,
    PlainValidator(EventPosition.parse, json_schema_input_type=str),
    WithJsonSchema({"type": "string", "pattern": anchored(POSITION_FORM)}),
]
TaskId = Annotated[
    str,
    _text(parsing.TASK_ID.pattern, "1 to 128 of A-Z a-z 0-9 _ -"),
    said(pattern=anchored(parsing.TASK_ID.pattern)),
]
Filters = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=FILTER_NAME_MAX_CHARS)],
        Annotated[str, Field(max_length=FILTER_VALUE_MAX_CHARS)],
    ],
    Field(max_length=FILTERS_MAX),
]


class LinksQuery(Query):
    """How long the links of an answer shall live."""

    link_ttl: LinkSeconds | None = Field(default=None, description="seconds, to LINK_TTL_MAX")

    def links(self, settings: Settings) -> float:
        """In seconds. Raises BadField."""
        if self.link_ttl is None:
            return settings.link_ttl
        most = max(settings.link_ttl, settings.link_ttl_max)
        if self.link_ttl > most:
            raise InvalidField("link_ttl", f"a whole number of seconds from 1 to {most:.0f}")
        return self.link_ttl


class ListQuery(LinksQuery):
    """Which jobs to list, newest first: every condition has to hold."""

    status: list[Status] = Field(default_factory=list, description="any of these; may be repeated")
    model: str | None = Field(default=None, min_length=1, max_length=MODEL_MAX_CHARS)
    source: Source | None = Field(default=None, description="who brought the final report")
    since: Time | None = Field(default=None, description="created then or later: RFC 3339 or unix")
    until: Time | None = Field(default=None, description="created before: RFC 3339 or unix")
    metadata: Filters = Field(default_factory=dict, description="as metadata.<name>=<value>")
    limit: PageSize = PAGE_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before")

    def search(self) -> Search:
        return Search(
            statuses=tuple(self.status),
            model=self.model,
            source=self.source,
            since=self.since,
            until=self.until,
            metadata=tuple(self.metadata.items()),
        )


class ShowQuery(LinksQuery):
    """How long to wait for the end of a job."""

    wait: Seconds | None = Field(default=None, description="answer once the job has ended")


class EventsQuery(Query):
    """Where to go on. A browser cannot set the header itself and repeats the URL as it was."""

    last_event_id: EventId | None = Field(default=None, description="instead of Last-Event-ID")

    @property
    def position(self) -> EventPosition | None:
        """Raises BadField."""
        text = request.headers.get("Last-Event-ID")
        if not text:
            return self.last_event_id
        try:
            return EventPosition.parse(text)
        except ValueError as error:
            raise InvalidField("Last-Event-ID", str(error)) from None
