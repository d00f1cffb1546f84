"""Query parameters: parsing and validation."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self, get_origin

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError

from jobs import search_words
from jobs.bfl import parsing
from jobs.bfl.input_problems import suggest_name
from jobs.config.settings import Settings
from jobs.domain.errors import InvalidField
from jobs.domain.retention import DAY_SECONDS
from jobs.domain.status import Source, Status
from jobs.domain.submission import QUEUE_SECONDS
from jobs.job_validation import MODEL_MAX_CHARS
from jobs.store.change_stream import POSITION_FORM, EventPosition
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from receiver.schemas import formats
from receiver.schemas.bodies import field_error
from receiver.schemas.formats import anchor, documented_pattern, json_schema

NAME_MAX_CHARS = 50
PAGE_DEFAULT = 50
PAGE_MAX = 200
FILTERS_MAX = 8
FILTER_NAME_MAX_CHARS = 200  # a URL has 8190
FILTER_VALUE_MAX_CHARS = 1000
WAIT_MAX_SECONDS = 60.0
# From a job's creation to its end: a week in the queue, a day at BFL. A replay begins later.
LONGEST_LIFE_SECONDS = QUEUE_SECONDS + DAY_SECONDS
WORDS_MAX_CHARS = 3000
KEY_NAME_MAX_CHARS = 100
METADATA = "metadata"


class Query(BaseModel):
    """Query parameters of a request: a field for each, `None` when the parameter is absent."""

    model_config = ConfigDict(extra="forbid")
    # Parameters that a request may repeat: equal values count once.
    repeated: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def read(cls) -> Self:
        """Parse the current request. Raises InvalidField with the name of the parameter."""
        parameters: dict[str, Any] = {}
        for name, sent_values in request.args.lists():
            values = sent_values
            if name in cls.repeated:
                values = list(dict.fromkeys(sent_values))
            group, dot, entry_name = name.partition(".")
            if name in cls.model_fields and name != METADATA:
                is_list = get_origin(cls.model_fields[name].annotation) is list
                if is_list:
                    parameters[name] = values
                else:
                    parameters[name] = _require_single(name, values)
            elif group == METADATA and dot and METADATA in cls.model_fields:
                metadata = parameters.setdefault(METADATA, {})
                metadata[entry_name] = _require_single(name, values)
            elif cls.model_config["extra"] == "forbid":
                hint = suggest_name(name, list(cls.model_fields))
                raise InvalidField(name[:NAME_MAX_CHARS], f"there is no such parameter here{hint}")
        return cls.parse(parameters)

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> Self:
        """Parse texts by name. Raises InvalidField with the name of the parameter."""
        try:
            return cls.model_validate(parameters)
        except ValidationError as error:
            first_error: dict[str, Any] = dict(error.errors()[0])
            first_error["loc"] = _parameter_names(first_error["loc"])
            problem = field_error(first_error)
            name = problem["field"][:NAME_MAX_CHARS]
            raise InvalidField(name, problem["message"]) from None


def _parameter_names(location: Iterable[str | int]) -> list[str]:
    """The location of an error without the index in a list, and without pydantic's "[key]"."""
    return [part for part in location if isinstance(part, str) and part != "[key]"]


def _require_single(name: str, values: list[str]) -> str:
    if len(values) > 1:
        raise InvalidField(name[:NAME_MAX_CHARS], "give it only once")
    return values[0]


def _matching(pattern: str, message: str) -> BeforeValidator:
    """Check the text before pydantic parses it: pydantic takes "1_0" and Arabic digits."""

    def require_match(value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(message)
        return value

    return BeforeValidator(require_match)


PageSize = Annotated[
    int,
    Field(ge=1, le=PAGE_MAX),
    _matching("[0-9]{1,3}", f"give a whole number from 1 to {PAGE_MAX}"),
]
Seed = Annotated[int, _matching("-?[0-9]{1,20}", "give a whole number")]
_COUNT = "[0-9]{1,9}"
JobCount = Annotated[int, Field(ge=0), _matching(_COUNT, "give a whole number")]
LinkSeconds = Annotated[
    int,
    Field(ge=1),
    _matching(_COUNT, "give a whole number of seconds"),
    json_schema(maximum=int(Settings.model_fields["link_ttl_max"].default)),
]
# A number as in JSON.
Seconds = Annotated[
    float,
    Field(ge=0, le=WAIT_MAX_SECONDS),
    _matching(
        r"-?[0-9]{1,2}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        f"give seconds from 0 to {WAIT_MAX_SECONDS:g}",
    ),
]
_TIME_FORMATS = json_schema(
    anyOf=[
        {"format": "date-time"},
        {"format": "date"},
        {"pattern": anchor(formats.UNIX_TIME)},
    ]
)
Time = Annotated[float, PlainValidator(formats.parse_time, Annotated[str, _TIME_FORMATS])]
Cursor = Annotated[
    Position,
    PlainValidator(formats.parse_cursor, Annotated[str, documented_pattern(formats.CURSOR)]),
]
EventId = Annotated[
    EventPosition,
    PlainValidator(EventPosition.parse, Annotated[str, documented_pattern(POSITION_FORM)]),
]
TaskId = Annotated[
    str,
    _matching(parsing.TASK_ID.pattern, formats.ID_HINT),
    documented_pattern(parsing.TASK_ID.pattern),
]
Filters = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=FILTER_NAME_MAX_CHARS)],
        Annotated[str, Field(max_length=FILTER_VALUE_MAX_CHARS)],
    ],
    Field(max_length=FILTERS_MAX),
    json_schema(
        propertyNames={
            "pattern": rf"^{METADATA}\.[\s\S]+$",
            "maxLength": len(f"{METADATA}.") + FILTER_NAME_MAX_CHARS,
        }
    ),
]


class LinksQuery(Query):
    """How long the media links in the response are valid."""

    link_ttl: LinkSeconds | None = Field(default=None, description="seconds, to LINK_TTL_MAX")

    def link_seconds(self, settings: Settings) -> float:
        """Validity of links in seconds. Raises InvalidField."""
        if self.link_ttl is None:
            return settings.link_ttl
        seconds_max = max(settings.link_ttl, settings.link_ttl_max)
        if self.link_ttl > seconds_max:
            message = f"give a whole number of seconds from 1 to {seconds_max:.0f}"
            raise InvalidField("link_ttl", message)
        return self.link_ttl


class FilterQuery(Query):
    """Filters of jobs; a job must match all of them."""

    status: list[Status] = Field(default_factory=list, description="any of these; may be repeated")
    model: str | None = Field(
        default=None, min_length=1, max_length=MODEL_MAX_CHARS, description="its name at BFL"
    )
    source: Source | None = Field(default=None, description="where the final report came from")
    since: Time | None = Field(
        default=None, description="created then or later: RFC 3339, unix, or a day (UTC)"
    )
    until: Time | None = Field(
        default=None, description="created before: RFC 3339, unix, or a day (UTC)"
    )
    repeats: str | None = Field(
        default=None, pattern=anchor(parsing.TASK_ID.pattern), description="repeats of this job"
    )
    q: str | None = Field(
        default=None,
        max_length=WORDS_MAX_CHARS,
        description='words of the prompt, all of them; a "phrase" in quotes',
    )
    seed: Seed | None = Field(default=None, description="the seed that BFL took")
    sha256: str | None = Field(
        default=None,
        pattern=anchor("[0-9a-f]{64}"),
        description="SHA-256 of a file of the result",
    )
    key: str | None = Field(
        default=None, min_length=1, max_length=KEY_NAME_MAX_CHARS, description="name of the API key"
    )
    metadata: Filters = Field(default_factory=dict, description="as metadata.<name>=<value>")

    def search(self) -> Search:
        """The search for the jobs that match."""
        words = None
        if self.q and search_words.phrases(self.q):
            words = self.q
        return Search(
            statuses=tuple(self.status),
            model=self.model,
            source=self.source,
            since=self.since,
            until=self.until,
            repeats=self.repeats,
            words=words,
            seed=self.seed,
            sha256=self.sha256,
            key=self.key,
            metadata=tuple(self.metadata.items()),
        )


class ListQuery(LinksQuery, FilterQuery):
    """A page of the jobs that match."""

    limit: PageSize = PAGE_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before")


class BatchQuery(FilterQuery):
    """The jobs of a batch, and their number."""

    count: JobCount | None = Field(default=None, description="number of jobs that must match")


class NotificationQuery(BatchQuery):
    """The jobs of a batch that repeats the notifications of their ends, and their number."""

    since: Time = Field(description="ended then or later: RFC 3339, unix, or a day (UTC)")

    def search(self) -> Search:
        """Search by the time of creation, at most LONGEST_LIFE_SECONDS before an end at `since`."""
        return replace(super().search(), since=self.since - LONGEST_LIFE_SECONDS)


class ShowQuery(LinksQuery):
    """Parameters of one job."""

    wait: Seconds | None = Field(default=None, description="seconds to wait for the end of the job")


class EventsQuery(Query):
    """Where to resume. A browser's first request cannot set the `Last-Event-ID` header."""

    last_event_id: EventId | None = Field(default=None, description="instead of Last-Event-ID")

    @property
    def position(self) -> EventPosition | None:
        """The header's position, or the parameter's. Raises InvalidField."""
        text = request.headers.get("Last-Event-ID")
        if not text:
            return self.last_event_id
        try:
            return EventPosition.parse(text)
        except ValueError as error:
            raise InvalidField("Last-Event-ID", str(error)) from None
