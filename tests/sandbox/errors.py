"""BFL's refusals with the exact bodies it sends."""

from typing import Any

from pydantic import ValidationError

from tests.sandbox.answers import Answer

NOT_AUTHENTICATED = {"detail": "Not authenticated - Invalid Authentication"}
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
EXPIRED = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code>'
    "<Message>Server failed to authenticate the request. Make sure the value of Authorization "
    "header is formed correctly including the signature.</Message></Error>"
).encode()


class Refused(Exception):
    """A submission was refused; `answer` is the HTTP answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body!r}")
        self.answer = answer
        self.status = answer.status


def invalid(error: ValidationError, *where: str) -> Answer:
    """The 422 of FastAPI: what pydantic says about each field, with the value that it got."""
    detail = [
        {
            "loc": ["body", *where, *one["loc"][:1]],
            **{name: one[name] for name in ("msg", "type", "input")},
        }
        for one in error.errors()
    ]
    return Answer.json(422, {"detail": detail})


def refusal(status: int, retry_after: float | None = None, detail: str | None = None) -> Answer:
    """Return BFL's answer with this status."""
    if status == 500:
        return Answer.text(500, b"Internal Server Error", "text/plain; charset=utf-8")
    if status == 502:
        return Answer.text(502, BAD_GATEWAY, "text/html")
    if status == 503 and retry_after is None:
        retry_after = 1
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return Answer.json(status, {"detail": detail} if detail else _BODIES[status], headers)


_BODIES: dict[int, dict[str, Any]] = {
    400: {"detail": "Invalid request"},
    401: NOT_AUTHENTICATED,
    402: {"detail": "Insufficient credits"},
    403: NOT_AUTHENTICATED,
    404: {"detail": "Not Found"},
    422: {"detail": [{"loc": ["body", "width"], "msg": "Input should be a multiple of 16"}]},
    429: {"detail": "Rate limit exceeded: too many active tasks"},
    503: {"detail": "Service temporarily unavailable"},
}


def expired() -> Answer:
    """Azure's answer to a URL that expired or has a wrong signature."""
    return Answer.text(403, EXPIRED, "application/xml")
