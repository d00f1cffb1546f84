"""JSON request bodies: parsing and validation."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobs.bfl import models, schema
from jobs.bfl.hosts import HostPolicy
from jobs.bfl.submissions import URL_MAX_CHARS
from jobs.errors import BodyTooLarge, Invalid, UrlRefused
from jobs.net import strict_json
from receiver import request_body
from receiver.context import services
from receiver.schemas.formats import POLLING_URL, PUBLIC_URL, documented_pattern

BODY_MAX_BYTES = 64 * 1024
INPUT_BODY_MAX_BYTES = 32 * 2**20  # an input may hold images in base64, up to 20 MB (BFL's docs)
METADATA_MAX_CHARS = 8192
MODEL_MAX_CHARS = 200


def _limit_size(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if len(json.dumps(value)) > METADATA_MAX_CHARS:
        raise ValueError(f"may have {METADATA_MAX_CHARS} characters of JSON at most")
    return value


def accepted_by(check: Callable[[HostPolicy, str], object]) -> AfterValidator:
    """Check a URL with a method of HostPolicy."""

    def validate_url(value: str) -> str:
        try:
            check(services().host_policy, value)
        except UrlRefused as error:
            raise ValueError(str(error)) from None
        return value

    return AfterValidator(validate_url)


def _check_model(value: str) -> str:
    if not models.is_model(value):
        raise ValueError("a path of A-Z a-z 0-9 . _ - segments, as in flux-tools/vto-v2")
    return value


ModelPath = Annotated[
    str,
    Field(max_length=MODEL_MAX_CHARS, examples=sorted(schema.shipped())),
    AfterValidator(_check_model),
    documented_pattern(models.MODEL),
]
Metadata = Annotated[
    Annotated[dict[str, JsonValue], AfterValidator(_limit_size)] | None,
    Field(
        description=f"stored with the job; up to {METADATA_MAX_CHARS} characters of JSON",
        examples=[{"user": "42"}],
    ),
]
Url = Annotated[str, Field(max_length=URL_MAX_CHARS)]
NotifyUrl = Annotated[
    Annotated[Url, accepted_by(HostPolicy.notify_url_endpoint), documented_pattern(PUBLIC_URL)]
    | None,
    Field(description="receives a notification when the job ends"),
]
PollingUrl = Annotated[
    Annotated[Url, accepted_by(HostPolicy.validate_polling_url), documented_pattern(POLLING_URL)]
    | None,
    Field(description="from BFL's response to the submission"),
]


class Expectation(BaseModel):
    """Body of `PUT /api/jobs/<task_id>`: details of a job that the caller submitted to BFL."""

    model_config = ConfigDict(extra="forbid", strict=True)

    polling_url: PollingUrl = None
    model: ModelPath | None = None
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    input: dict[str, JsonValue] | None = Field(
        default=None, description="what BFL was given, kept with the job; the first one stays"
    )

    @classmethod
    def read(cls) -> Self:
        """Read and validate the request's body, which may be empty. Raises BadRequest, Invalid."""
        raw = request_body.read(INPUT_BODY_MAX_BYTES)
        body = validate_body(cls, raw or b"{}")
        if body.input is None and len(raw) > BODY_MAX_BYTES:
            raise BodyTooLarge
        return body

    def given(self) -> dict[str, Any]:
        """Only the details that were set."""
        return self.model_dump(exclude_unset=True, exclude_none=True, exclude={"input"})


Model = TypeVar("Model", bound=BaseModel)


def validate_body(model: type[Model], raw: bytes) -> Model:
    """Parse and validate a body. Raises BadRequest when it is no JSON object, else Invalid."""
    return validate(model, strict_json.load_object(raw))


def validate(model: type[Model], value: dict[str, Any]) -> Model:
    """Validate a JSON object by a model. Raises Invalid with an error for each wrong field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid([field_error(problem) for problem in error.errors()]) from None


def field_error(problem: Any) -> dict[str, str]:
    """One of pydantic's errors as `field` and `message`."""
    field = ".".join(str(part) for part in problem["loc"])
    return {"field": field, "message": problem["msg"].removeprefix("Value error, ")}
