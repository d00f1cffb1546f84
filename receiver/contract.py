"""What a view promises: what it may be asked and what it answers, written where it stands.

Nothing is checked by it at run time. The API's document is made from it, and Schemathesis holds
both against a running installation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from jobs.apikey import Scope
from jobs.errors import FluxkeepError
from receiver.questions import Query

JSON = "application/json"
STREAM = "text/event-stream"

View = TypeVar("View", bound=Callable[..., Any])


class Tag(StrEnum):
    """The chapters of the document, in their order."""

    JOBS = "Jobs"
    WATCHING = "Watching"
    MEDIA = "Media"
    CALLBACKS = "Callbacks"
    BFL = "BFL's own API"
    OPERATION = "Operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: what its body is (None: there is none), and headers that are always there.

    `kind` is anything pydantic can describe; `media` what the body is where that is not JSON.
    """

    what: str
    kind: Any = None
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    sample: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A body that is asked for: a model, or a JSON Schema where nothing so strict reads it."""

    kind: type[BaseModel] | Mapping[str, Any]
    required: bool = True
    samples: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Decorates a view; `errors` are those of its own, beside what a key, a body or Redis adds."""

    name: str
    summary: str
    tag: Tag
    answers: Mapping[int | str, Answer]  # `4XX` and `default` are statuses, too
    query: type[Query] | None = None
    headers: tuple[str, ...] = ()
    body: Body | None = None
    errors: tuple[type[FluxkeepError], ...] = ()
    security: tuple[str, ...] = ()
    tells: str | None = None  # who is called later: the name of a callback
    uses_redis: bool = True

    def __call__(self, view: View) -> View:
        vars(view)["contract"] = self
        return view


@dataclass(frozen=True, slots=True)
class Said:
    """What a view says of itself."""

    contract: Contract | None
    scope: Scope | None
    prose: str


def said_by(view: Callable[..., Any]) -> Said:
    """`functools.wraps` carries it through every decorator."""
    marks = MappingProxyType(vars(view))
    return Said(marks.get("contract"), marks.get("scope"), view.__doc__ or "")
