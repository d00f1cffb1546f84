"""What callers may ask: query parameters and bodies, checked before anything is done."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, TypeVar, get_origin

from flask import request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
)
from pydantic.fields import FieldInfo

from jobs import bfl
from jobs.errors import BadField, BadReport, BadRequest, Invalid, RefusedUrl
from jobs.events import Mark
from jobs.hosts import Trust, parse
from jobs.limits import is_model
from jobs.pages import Position
from jobs.search import Search
from jobs.settings import Settings
from jobs.states import Source, State
from receiver import body, cursors, moments

BODY_MAX_BYTES = 64 * 1024
METADATA_MAX_CHARS = 8192
MODEL_MAX_CHARS = 200
LINK_TTL_DIGITS = 9
PAGE_DEFAULT = 50
PAGE_MAX = 200
FILTERS_MAX = 8
WAIT_MAX_SECONDS = 60.0
METADATA = "metadata"


def _small(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(value)) > METADATA_MAX_CHARS:
        raise ValueError(f"may have {METADATA_MAX_CHARS} characters of JSON at most")
    return value


def _plain(value: str) -> str:
    try:
        parse(value)
    except RefusedUrl as error:
        raise ValueError(str(error)) from None
    return value


def _path(value: str) -> str:
    if not is_model(value):
        raise ValueError("a path of A-Z a-z 0-9 . _ - segments, as in flux-tools/vto-v2")
    return value


ModelPath = Annotated[str, Field(max_length=MODEL_MAX_CHARS), AfterValidator(_path)]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_small)] | None
NotifyUrl = Annotated[str, Field(max_length=2083), AfterValidator(_plain)] | None


class Expectation(BaseModel):
    """The body of "expect this": what the caller knows of a job it submitted itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    polling_url: str | None = Field(default=None, max_length=2083)
    model: ModelPath | None = None
    metadata: Metadata = None
    notify_url: NotifyUrl = None

    @classmethod
    def read(cls, trust: Trust) -> Self:
        """The request's body; none at all says nothing. Raises BadRequest, Invalid."""
        raw = body.read(BODY_MAX_BYTES)
        asked = validated(cls, raw or b"{}")
        allowed("polling_url", asked.polling_url, trust.api)
        allowed("notify_url", asked.notify_url, trust.app)
        return asked

    def facts(self) -> dict[str, Any]:
        """What was really said."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


def allowed(field: str, url: str | None, check: Callable[[str], object]) -> None:
    """Raises Invalid, naming the field, for a URL whose host is not to be talked to."""
    try:
        _ = url is None or check(url)
    except RefusedUrl as error:
        raise Invalid([{"field": field, "message": str(error)}]) from None


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], raw: bytes) -> Model:
    """A body as a model. Raises BadRequest when it is not a JSON object, Invalid by field."""
    return checked(model, an_object(raw))


def an_object(raw: bytes) -> dict[str, Any]:
    """A body that is a JSON object. Raises BadRequest."""
    try:
        value = bfl.strict_json(raw)
    except BadReport as error:
        raise BadRequest(str(error)) from None
    if not isinstance(value, dict):
        raise BadRequest("the body is not a JSON object")
    return value


def checked(model: type[Model], value: dict[str, Any]) -> Model:
    """A value as a model. Raises Invalid by field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid([_complaint(problem) for problem in error.errors()]) from None


def _complaint(problem: Any) -> dict[str, str]:
    field = ".".join(str(part) for part in problem["loc"])
    return {"field": field, "message": problem["msg"].removeprefix("Value error, ")}


class Query(BaseModel):
    """The parameters of a request; each field is one, `None` when it was not given."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def read(cls) -> Self:
        """Raises BadField naming the parameter that is wrong."""
        given: dict[str, Any] = {}
        for name, values in request.args.lists():
            _put(given, name, values, cls.model_fields)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise BadField(_first(error)) from None


def _put(
    given: dict[str, Any], name: str, values: list[str], known: Mapping[str, FieldInfo]
) -> None:
    group, dot, key = name.partition(".")
    if group == METADATA and dot and METADATA in known:
        given.setdefault(METADATA, {})[key] = _only(name, values)
    elif name not in known or name == METADATA:
        raise BadField(f"{name[:50]}: no such parameter")
    else:
        repeats = get_origin(known[name].annotation) is list
        given[name] = values if repeats else _only(name, values)


def _only(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise BadField(f"{name[:50]}: only once")
    return values[0]


def _first(error: ValidationError) -> str:
    complaint = _complaint(error.errors()[0])
    return f"{complaint['field'][:50]}: {complaint['message']}"


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
Seconds = Annotated[
    float,
    Field(ge=0, le=WAIT_MAX_SECONDS),
    _text(r"[0-9]{1,2}(\.[0-9]{1,6})?", f"seconds from 0 to {WAIT_MAX_SECONDS:g}"),
]
Time = Annotated[float, PlainValidator(moments.read, json_schema_input_type=str)]
Cursor = Annotated[Position, PlainValidator(cursors.place, json_schema_input_type=str)]
EventId = Annotated[Mark, PlainValidator(Mark.read, json_schema_input_type=str)]
Filters = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=METADATA_MAX_CHARS)],
        Annotated[str, Field(max_length=METADATA_MAX_CHARS)],
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
            raise BadField(f"link_ttl: a whole number of seconds from 1 to {most:.0f}")
        return self.link_ttl


class ListQuery(LinksQuery):
    """Which jobs to list, newest first: every condition has to hold."""

    status: list[State] = Field(default_factory=list, description="any of these; may be repeated")
    model: str | None = Field(default=None, min_length=1, max_length=200)
    source: Source | None = Field(default=None, description="who brought the final report")
    since: Time | None = Field(default=None, description="created then or later: RFC 3339 or unix")
    until: Time | None = Field(default=None, description="created before: RFC 3339 or unix")
    metadata: Filters = Field(default_factory=dict, description="as metadata.<name>=<value>")
    limit: PageSize = PAGE_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before")

    def search(self) -> Search:
        return Search(
            states=tuple(self.status),
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
    def place(self) -> Mark | None:
        """Raises BadField."""
        text = request.headers.get("Last-Event-ID")
        if not text:
            return self.last_event_id
        try:
            return Mark.read(text)
        except ValueError as error:
            raise BadField(f"Last-Event-ID: {error}") from None
