"""JSON request bodies: parsing and validation."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from jobs.bfl import model_names, openapi_document
from jobs.bfl.hosts import HostPolicy
from jobs.bfl.submissions import URL_MAX_CHARS
from jobs.domain.errors import Invalid, UrlRefused
from jobs.domain.json_values import map_leaves
from jobs.input_parts import InputPart
from jobs.job_validation import METADATA_MAX_CHARS, MODEL_MAX_CHARS, require_metadata, require_model
from receiver.context import current_services
from receiver.schemas.formats import POLLING_URL, PUBLIC_URL, documented_pattern


def accepted_by(validate: Callable[[HostPolicy, str], object]) -> AfterValidator:
    """Check a URL with a method of HostPolicy."""

    def validate_url(value: str) -> str:
        try:
            validate(current_services().host_policy, value)
        except UrlRefused as error:
            raise ValueError(str(error)) from None
        return value

    return AfterValidator(validate_url)


ModelPath = Annotated[
    str,
    Field(max_length=MODEL_MAX_CHARS, examples=sorted(openapi_document.shipped_endpoints())),
    AfterValidator(require_model),
    documented_pattern(model_names.MODEL),
]
Metadata = Annotated[
    Annotated[dict[str, JsonValue], AfterValidator(require_metadata)] | None,
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


# In place of pydantic's words.
_MESSAGES = {
    "missing": "this is required",
    "extra_forbidden": "there is no such field here",
    "dict_type": "give a JSON object",
    "string_type": "give a text",
}
_PYDANTIC_WORDS = re.compile("^(Input|String|Dictionary)(?= should)")


@cache
def _fields_of_models() -> frozenset[str]:
    names = set[str]()
    for endpoint in openapi_document.shipped_endpoints().values():
        for mode in endpoint.modes.values():
            names.update(mode.fields)
    return frozenset(names)


class Announcement(BaseModel):
    """Body of `PUT /api/jobs/<task_id>`: details of a job that the caller submitted to BFL."""

    model_config = ConfigDict(extra="forbid", strict=True)

    polling_url: PollingUrl = None
    model: ModelPath | None = None
    metadata: Metadata = None
    notify_url: NotifyUrl = None
    input: dict[str, JsonValue] | None = Field(
        default=None, description="what BFL was given, kept with the job; the first one stays"
    )


Model = TypeVar("Model", bound=BaseModel)


def validate_with_input(
    model: type[Model], value: Mapping[str, Any], names: Iterable[str] = ("input",)
) -> Model:
    """Validate an object with parts in `input`, or in members of these names. Raises Invalid."""
    members_with_parts = {name: value[name] for name in names if name in value}
    value_without_parts = dict(value)
    value_without_parts.update(map_leaves(members_with_parts, _text_in_place_of_part))
    validated = validate(model, value_without_parts)
    return validated.model_copy(update=members_with_parts)


def _text_in_place_of_part(leaf: Any) -> Any:
    if isinstance(leaf, InputPart):
        return ""
    return leaf


def validate(model: type[Model], value: dict[str, Any]) -> Model:
    """Validate a JSON object by a model. Raises Invalid with an error for each wrong field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid([field_error(problem) for problem in error.errors()]) from None


def field_error(problem: Any) -> dict[str, str]:
    """One of pydantic's errors as `field` and `message`."""
    field = ".".join(str(part) for part in problem["loc"])
    message = _MESSAGES.get(problem["type"]) or _PYDANTIC_WORDS.sub("it", problem["msg"])
    if problem["type"] == "extra_forbidden" and field in _fields_of_models():
        message = "it belongs inside `input`"
    return {"field": field, "message": message.removeprefix("Value error, ")}
