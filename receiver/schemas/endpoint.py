"""Contract of a view: parameters, body, responses and errors, for the OpenAPI document.

Nothing is checked by it at run time. Schemathesis compares it with a running installation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from jobs.config.api_keys import Scope
from jobs.errors import FluxkeepError
from receiver.schemas.query import Query

JSON = "application/json"
STREAM = "text/event-stream"

View = TypeVar("View", bound=Callable[..., Any])


class Tag(StrEnum):
    """Tags of the document, in their order."""

    JOBS = "Jobs"
    WATCHING = "Watching"
    MEDIA = "Media"
    CALLBACKS = "Callbacks"
    BFL = "BFL's own API"
    OPERATION = "Operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response: the type of its JSON body, and headers that are always there.

    `kind` is anything pydantic can describe (None: no JSON); `media` lists other content types.
    """

    what: str
    kind: Any = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    sample: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request body: a model, or a JSON Schema where no model reads it."""

    kind: type[BaseModel] | Mapping[str, Any]
    required: bool = True
    samples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Decorator of a view. `errors` are its own; key, body and Redis add theirs."""

    name: str
    summary: str
    tag: Tag
    answers: Mapping[int | str, Answer]  # `4XX` and `default` are statuses, too
    query: type[Query] | None = None
    headers: tuple[str, ...] = ()
    body: Body | None = None
    errors: tuple[type[FluxkeepError], ...] = ()
    security: tuple[str, ...] = ()
    tells: str | None = None  # the field of the body that names a receiver of callbacks
    uses_redis: bool = True

    def __call__(self, view: View) -> View:
        vars(view)["contract"] = self
        return view


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A view's contract, scope and description."""

    contract: Contract | None
    scope: Scope | None
    description: str


def endpoint_of(view: Callable[..., Any]) -> Endpoint:
    """`functools.wraps` carries the attributes through every decorator."""
    marks = MappingProxyType(vars(view))
    return Endpoint(marks.get("contract"), marks.get("scope"), view.__doc__ or "")
