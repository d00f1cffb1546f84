"""What callers may ask: query parameters and bodies, checked before anything is done."""

import base64
import json
import math
import re
from typing import Annotated, Any, NamedTuple, Self, TypeVar

from flask import request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from jobs import bfl
from jobs.errors import BadField, BadReport, BadRequest, Invalid, RefusedUrl
from jobs.hosts import Trust, parse
from jobs.limits import is_model
from jobs.pages import Position
from jobs.settings import Settings
from jobs.states import State
from receiver import body

BODY_MAX_BYTES = 64 * 1024
METADATA_MAX_CHARS = 8192
MODEL_MAX_CHARS = 200
LINK_TTL_DIGITS = 9
PAGE_DEFAULT = 50
PAGE_MAX = 200


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
        if asked.polling_url is not None:
            try:
                trust.api(asked.polling_url)
            except RefusedUrl as error:
                raise Invalid([{"field": "polling_url", "message": str(error)}]) from None
        return asked

    def facts(self) -> dict[str, Any]:
        """What was really said."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


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


def cursor(place: Position) -> str:
    """Opaque to the caller: a place in the list as base64url."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(text: str) -> Position:
    """Raises BadField."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        at, job_id = json.loads(raw)
        if isinstance(at, float) and math.isfinite(at) and bfl.TASK_ID.fullmatch(job_id):
            return Position(at, job_id)
    except (ValueError, TypeError, RecursionError):
        pass
    raise BadField("cursor: not one that this API gave out")


class ListQuery(NamedTuple):
    """Which jobs to list."""

    states: tuple[State, ...]
    limit: int
    after: Position | None

    @classmethod
    def read(cls) -> Self:
        """The query's parameters. Raises BadField naming the one that is wrong."""
        args = request.args
        for name, values in args.lists():
            if name not in ("status", "limit", "cursor", "link_ttl"):
                raise BadField(f"{name[:50]}: no such parameter")
            if name != "status" and len(values) > 1:
                raise BadField(f"{name}: only once")
        states = tuple(_state(name) for name in args.getlist("status"))
        text = args.get("cursor")
        return cls(
            states=states or tuple(State),
            limit=_limit(args.get("limit", str(PAGE_DEFAULT))),
            after=None if text is None else _place(text),
        )


def _state(name: str) -> State:
    try:
        return State(name)
    except ValueError:
        raise BadField(f"status: one of {', '.join(State)}") from None


def link_ttl(settings: Settings) -> float:
    """How long the links of this answer shall live. Raises BadField."""
    given = request.args.getlist("link_ttl")
    if not given:
        return settings.link_ttl
    most = max(settings.link_ttl, settings.link_ttl_max)
    plain = re.fullmatch(rf"[0-9]{{1,{LINK_TTL_DIGITS}}}", given[0])
    seconds = int(given[0]) if plain and len(given) == 1 else 0
    if not 1 <= seconds <= most:
        raise BadField(f"link_ttl: once, a whole number of seconds from 1 to {most:.0f}")
    return seconds


def _limit(text: str) -> int:
    # int() would take "-1", "1_0" and Arabic digits.
    limit = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 0
    if not 1 <= limit <= PAGE_MAX:
        raise BadField(f"limit: a whole number from 1 to {PAGE_MAX}")
    return limit
