"""Endpoint specification: parameters, body, responses and errors of a view, for OpenAPI.

The scope is enforced, and an endpoint of the API without parameters refuses all parameters.
Schemathesis compares the other parts with a running installation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Response, after_this_request, request, url_for
from pydantic import BaseModel

from jobs.config.api_keys import Scope
from jobs.domain.errors import FluxkeepError
from receiver.auth import require_scope
from receiver.schemas.query import Query

JSON = "application/json"
PROBLEM = "application/problem+json"
STREAM = "text/event-stream"
API_PREFIX = "/api/"  # BFL's own clients, and agents, may add parameters elsewhere
RENAMED_AT = "@1795564800"  # 2026-11-25

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One response, and the type of its JSON body if it has one: any that pydantic can describe."""

    description: str
    body_type: Any = None
    content_types: tuple[str, ...] = ()  # besides JSON

    @classmethod
    def from_description(cls, described: Any) -> "ResponseSpec":
        """A response by the type of its body, which has a docstring, or by a description alone."""
        if isinstance(described, cls):
            return described
        if isinstance(described, str):
            return cls(described)
        return cls(" ".join((described.__doc__ or "").split()), described)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """Decorator of a view: only keys with at least this scope may call it.

    `errors` are its own; authentication, headers, body and Redis add theirs. The first sentence of
    the view's docstring is its summary, the others are its description.
    """

    scope: Scope | None = None
    responses: Mapping[
        int | str, Any
    ]  # for `ResponseSpec.from_description`; also for `4XX` and `default`
    query: type[Query] | None = None
    headers: tuple[str, ...] = ()
    body: type[BaseModel] | Mapping[str, Any] | None = None  # or a JSON Schema without a model
    is_body_required: bool = True
    errors: tuple[type[FluxkeepError], ...] = ()
    security: tuple[str, ...] = ()
    uses_redis: bool = True
    successor: str = ""  # the endpoint that has replaced this one, under a better name

    def __call__(self, view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if self.scope:
                require_scope(self.scope)
            if self.query is None and request.path.startswith(API_PREFIX):
                Query.read()  # a misspelt parameter must not be paid for, or delete
            if self.successor:
                after_this_request(self._announce_successor)
            return view(*args, **kwargs)

        vars(guarded)["endpoint_spec"] = self
        return guarded

    def _announce_successor(self, response: Response) -> Response:
        """By RFC 8288 and RFC 9745."""
        path = url_for(self.successor, **(request.view_args or {}))
        response.headers["Link"] = f'<{path}>; rel="successor-version"'
        response.headers["Deprecation"] = RENAMED_AT
        return response
