"""What callers may send: JSON bodies, checked before anything is done."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobs.bfl.hosts import HostPolicy
from jobs.config.concurrency import MODEL, is_model
from jobs.errors import BadRequest, Invalid, InvalidReport, UrlRefused
from jobs.net import strict_json
from jobs.net.urls import parse
from receiver import request_body
from receiver.schemas.patterns import anchored, said

BODY_MAX_BYTES = 64 * 1024
METADATA_MAX_CHARS = 8192
MODEL_MAX_CHARS = 200
URL_MAX_CHARS = 2083  # as BFL has it


def _small(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(value)) > METADATA_MAX_CHARS:
        raise ValueError(f"may have {METADATA_MAX_CHARS} characters of JSON at most")
    return value


def _plain(value: str) -> str:
    try:
        parse(value)
    except UrlRefused as error:
        raise ValueError(str(error)) from None
    return value


def _path(value: str) -> str:
    if not is_model(value):
        raise ValueError("a path of A-Z a-z 0-9 . _ - segments, as in flux-tools/vto-v2")
    return value


ModelPath = Annotated[
    str,
    Field(max_length=MODEL_MAX_CHARS, examples=["flux-2-pro"]),
    AfterValidator(_path),
    said(pattern=anchored(MODEL)),
]
Metadata = (
    Annotated[
        dict[str, JsonValue],
        AfterValidator(_small),
        Field(
            description=f"yours; up to {METADATA_MAX_CHARS} characters of JSON",
            examples=[{"user": "42"}],
        ),
    ]
    | None
)
NotifyUrl = (
    Annotated[
        str,
        Field(max_length=URL_MAX_CHARS, description="who is told of the job's end"),
        AfterValidator(_plain),
    ]
    | None
)


class Expectation(BaseModel):
    """The body of "expect this": what the caller knows of a job it submitted itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    polling_url: str | None = Field(
        default=None, max_length=URL_MAX_CHARS, description="as BFL answered the submission"
    )
    model: ModelPath | None = None
    metadata: Metadata = None
    notify_url: NotifyUrl = None

    @classmethod
    def read(cls, trust: HostPolicy) -> Self:
        """The request's body; none at all says nothing. Raises BadRequest, Invalid."""
        raw = request_body.read(BODY_MAX_BYTES)
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
    except UrlRefused as error:
        raise Invalid([{"field": field, "message": str(error)}]) from None


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], raw: bytes) -> Model:
    """A body as a model. Raises BadRequest when it is not a JSON object, Invalid by field."""
    return checked(model, an_object(raw))


def an_object(raw: bytes) -> dict[str, Any]:
    """A body that is a JSON object. Raises BadRequest."""
    try:
        value = strict_json.loads(raw)
    except InvalidReport as error:
        raise BadRequest(str(error)) from None
    if not isinstance(value, dict):
        raise BadRequest("the body is not a JSON object")
    return value


def checked(model: type[Model], value: dict[str, Any]) -> Model:
    """A value as a model. Raises Invalid by field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid([complaint(problem) for problem in error.errors()]) from None


def complaint(problem: Any) -> dict[str, str]:
    field = ".".join(str(part) for part in problem["loc"])
    return {"field": field, "message": problem["msg"].removeprefix("Value error, ")}
