"""Endpoint specification: parameters, body, responses and errors of a view, for OpenAPI.

Only the scope is enforced by it. Schemathesis compares the rest with a running installation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pydantic import BaseModel

from jobs.config.api_keys import Scope
from jobs.domain.errors import FluxkeepError
from receiver.auth import require_scope
from receiver.schemas.query import Query

JSON = "application/json"
PROBLEM = "application/problem+json"
STREAM = "text/event-stream"

BodyType = type[BaseModel] | Mapping[str, Any]  # a JSON Schema where no model parses it
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One response and the type of its JSON body.

    `body_type` is anything that pydantic can describe, None for a response without JSON.
    """

    description: str
    body_type: Any = None
    content_types: tuple[str, ...] = ()  # besides JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """Decorator of a view: only keys with at least this scope may call it.

    `errors` are its own; authentication, headers, body and Redis add theirs. The first sentence of
    the view's docstring is its summary, the others are its description.
    """

    scope: Scope | None = None
    responses: Mapping[int | str, ResponseSpec]  # `4XX` and `default` are statuses, too
    query: type[Query] | None = None
    headers: tuple[str, ...] = ()
    body: BodyType | None = None
    body_example: Any = None
    is_body_required: bool = True
    errors: tuple[type[FluxkeepError], ...] = ()
    security: tuple[str, ...] = ()
    uses_redis: bool = True

    def __call__(self, view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if self.scope:
                require_scope(self.scope)
            return view(*args, **kwargs)

        vars(guarded)["endpoint_spec"] = self
        return guarded


def spec_of(view: Callable[..., Any]) -> EndpointSpec:
    spec: EndpointSpec = vars(view)["endpoint_spec"]
    return spec
