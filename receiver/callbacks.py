"""BFL's callbacks: what is answered, and the short way to it.

They come in bursts, and each waits for one round trip to Redis. To route one through Flask, and
to make its answer there, takes longer than all that is done for it: so those that go well are
answered in front of Flask, and whatever goes wrong is told by it, like any other error.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from flask import Blueprint, Flask, request

from jobs import bfl
from jobs.errors import BadReport, Unauthorized
from receiver import samples
from receiver.answers import Heard
from receiver.contract import JSON, Answer, Body, Contract, Tag
from receiver.hearing import Hearing

PATH = "/webhooks/bfl"
CALLED = Body(kind=bfl.CALLBACK, samples={"a picture": samples.CALLBACK})
HEARD: Mapping[int | str, Answer] = {
    200: Answer(what="It is on record.", kind=Heard, sample=samples.heard)
}
REFUSED = (Unauthorized, BadReport)
PROOFS = ("webhookSecret", "webhookSignature")
_PROBLEM = "fluxkeep.problem"

blueprint = Blueprint("callbacks", __name__)


@blueprint.post(PATH)
@Contract(
    name="hearFromBfl",
    summary="Where BFL calls",
    tag=Tag.CALLBACKS,
    body=CALLED,
    answers=HEARD,
    errors=REFUSED,
    security=PROOFS,
)
def hear() -> NoReturn:
    """About a job that its caller submitted to BFL; `WEBHOOK_SECRET` proves it."""
    raise request.environ[_PROBLEM]


@blueprint.post(f"{PATH}/<token>")
@Contract(
    name="hearFromBflOfOurs",
    summary="Where BFL calls about what Fluxkeep submitted",
    tag=Tag.CALLBACKS,
    body=CALLED,
    answers=HEARD,
    errors=REFUSED,
    security=PROOFS,
)
def hear_of(token: str) -> NoReturn:  # noqa: ARG001 - it was read before
    """About a job that Fluxkeep submitted: the token names it, a secret of its own proves it."""
    raise request.environ[_PROBLEM]


class ShortWay:
    """WSGI in front of Flask's."""

    def __init__(self, app: Flask, hearing: Hearing) -> None:
        self._long_way = app.wsgi_app
        self._hearing = hearing

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        token = _token(environ)
        if token is None:
            return self._long_way(environ, start_response)
        try:
            answer = json.dumps(self._hearing.of(environ, token)).encode()
        except Exception as error:  # noqa: BLE001 - Flask has the words for all of them
            environ[_PROBLEM] = error
            return self._long_way(environ, start_response)
        length = str(len(answer))
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", length)])
        return (answer,)


def _token(environ: Mapping[str, Any]) -> str | None:
    """What follows the path of callbacks; None for every request that is no callback."""
    path: str = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "POST" or not path.startswith(PATH):
        return None
    slash, token = path[len(PATH) : len(PATH) + 1], path[len(PATH) + 1 :]
    if not slash:
        return ""
    return token if slash == "/" and token and "/" not in token else None
