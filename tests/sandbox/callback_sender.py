"""Callback sender: signed, a few attempts as at BFL, without redirects."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import requests

from tests.sandbox.observations import Callback
from tests.sandbox.settings import Settings
from tests.sandbox.switches import Switches
from tests.sandbox.task_store import TaskStore

WRONG_SECRET = "not-the-secret"


def sign(body: bytes, secret: str | None, switches: Switches) -> dict[str, str]:
    """Both official schemes, as the task's switches want them."""
    if switches.auth == "none" or (secret is None and switches.auth != "wrong"):
        return {}
    word = WRONG_SECRET if switches.auth == "wrong" else secret or ""
    headers = {}
    if switches.auth in ("secret", "both", "wrong"):
        headers["X-Webhook-Secret"] = word
    if switches.auth in ("signature", "both", "wrong"):
        headers["X-BFL-Signature"] = f"sha256={hmac.new(word.encode(), body, 'sha256').hexdigest()}"
    return headers


After = Callable[[float, Callable[[], None]], None]


@dataclass(frozen=True)
class CallbackRequest:
    """One callback; every attempt sends the same bytes."""

    task_id: str
    url: str
    headers: dict[str, str]
    body: bytes


class CallbackSender:
    """Sends each attempt in a thread of its own, over a new connection."""

    def __init__(self, settings: Settings, store: TaskStore, after: After) -> None:
        self._settings, self._store, self._after = settings, store, after

    def send_after(self, seconds: float, request: CallbackRequest, tried: int = 0) -> None:
        self._after(seconds, partial(self._try, request, tried))

    def _try(self, request: CallbackRequest, tried: int) -> None:
        retries = list(self._settings.callback_retries)
        if not _accepted(self.send(request)) and tried < len(retries):
            self.send_after(retries[tried], request, tried + 1)

    def send(self, request: CallbackRequest) -> Callback:
        """Make one attempt now and record it with the task."""
        began = time.time()
        try:
            outcome: int | str = self._post(request)
        except requests.RequestException as error:
            outcome = f"{type(error).__name__}: {error}"
        callback = Callback(began, outcome, request.headers, request.body)
        self._store.change(request.task_id, lambda task: task.callbacks.append(callback))
        return callback

    def _post(self, request: CallbackRequest) -> int:
        # Header values as bytes: a secret may hold any character.
        headers = {name: value.encode() for name, value in request.headers.items()}
        with requests.Session() as session:
            session.trust_env = False  # no proxy between BFL and the webhook
            return session.post(
                request.url,
                request.body,
                headers=headers,
                timeout=self._settings.callback_timeout,
                allow_redirects=False,
            ).status_code


def _accepted(callback: Callback) -> bool:
    return isinstance(callback.outcome, int) and 200 <= callback.outcome < 300
