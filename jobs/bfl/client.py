"""HTTP client of BFL's API; requests carry the operator's key."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

import requests
from pydantic import SecretStr

from jobs.bfl.error_messages import names_api_key
from jobs.bfl.hosts import HostPolicy
from jobs.bfl.model_names import is_model
from jobs.bfl.prices import number
from jobs.domain import errors
from jobs.net import content_coding, http_client, lenient_json
from jobs.net.http_client import Body
from jobs.net.urls import Origin, ParsedUrl

ANSWER_SECONDS = 10.0
ANSWER_MAX_BYTES = 2 * 2**20  # a report repeats the prompt, whose escapes are long
POLLED_AT_ONCE_MAX = 16  # hosts, each by a thread of its own
LATE_SECONDS = 0.5  # after its deadline an answer may be this late
RETRY_AFTER_MAX_SECONDS = 3600.0
OPENAPI = "/openapi.json"
ANY_KEY = "any"  # a sandbox accepts any key that is not empty
_NO_CREDITS_IN_ANSWER = "BFL's answer has no credits"


class BflResponse(NamedTuple):
    """A response of BFL with its raw body; `retry_after` is in seconds."""

    status: int
    retry_after: float | None
    body: bytes

    @property
    def is_ok(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def is_key_refused(self) -> bool:
        if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return True
        return self.is_key_malformed

    @property
    def is_key_malformed(self) -> bool:
        """Whether BFL's text says that it never issued such a key: 422, recorded in 2026."""
        is_rejection = self.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
        return is_rejection and names_api_key(self.body)


class _Polled(NamedTuple):
    """One of several polled URLs, and the answer to its poll."""

    url: str
    answer: "BflResponse | errors.BflUnavailable"


# BFL's response to an unknown path, without a request: the key goes to plain paths only.
UNKNOWN_MODEL = BflResponse(
    HTTPStatus.NOT_FOUND, None, b'{"detail": "the model is not a path of plain names"}'
)


class BflClient:
    """Client with the operator's key, which is sent to BFL's API hosts only."""

    def __init__(
        self,
        key: SecretStr | None,
        host_policy: HostPolicy,
        origin: Origin,
        key_variable: str = "BFL_API_KEY",
    ) -> None:
        self._key = key
        self.key_variable = key_variable
        self._host_policy = host_policy
        self.origin = origin

    @property
    def has_key(self) -> bool:
        return self._key is not None or self.origin in self._host_policy.sandboxes

    def create_session(self) -> requests.Session:
        return http_client.create_session(*self._host_policy.sandboxes)

    def poll(self, url: str, seconds: float = ANSWER_SECONDS) -> BflResponse:
        """GET a polling URL through redirects. Raises BflUnavailable."""
        validate = self._host_policy.validate_polling_url
        try:
            address = validate(url)
            with (
                self.create_session() as session,
                http_client.get_following_redirects(
                    session, address, seconds=seconds, allow=validate, headers=self._headers
                ) as response,
            ):
                return _read(response)
        except (errors.TransferFailed, errors.UrlRefused) as error:
            raise errors.BflUnavailable(str(error)) from None

    def poll_all(
        self,
        urls: Sequence[str],
        seconds: float = ANSWER_SECONDS,
        is_enough: Callable[[BflResponse], bool] | None = None,
    ) -> list[BflResponse | errors.BflUnavailable]:
        """GET several polling URLs at once; return the answers in the order of the URLs.

        The round ends when an answer satisfies `is_enough`, and soon after `seconds` in any case: a
        host that hangs does not delay the answers of other hosts.
        """
        if len(urls) <= 1:
            return [self._poll_or_explain(url, seconds) for url in urls]
        round_trips = math.ceil(len(urls) / POLLED_AT_ONCE_MAX)
        ends_at = time.monotonic() + seconds * round_trips + LATE_SECONDS
        waiting_urls = queue.SimpleQueue[str]()
        polled_urls = queue.SimpleQueue[_Polled]()
        for url in urls:
            waiting_urls.put(url)
        number_of_threads = min(len(urls), POLLED_AT_ONCE_MAX)
        for _ in range(number_of_threads):
            thread = threading.Thread(
                target=self._poll_waiting,
                args=(waiting_urls, polled_urls, seconds),
                name="poll",
                daemon=True,
            )
            thread.start()
        answers = dict[str, BflResponse | errors.BflUnavailable]()
        while len(answers) < len(urls):
            remaining_seconds = max(ends_at - time.monotonic(), 0.0)
            try:
                polled = polled_urls.get(timeout=remaining_seconds)
            except queue.Empty:
                break
            answers[polled.url] = polled.answer
            if is_enough and isinstance(polled.answer, BflResponse) and is_enough(polled.answer):
                break
        _drain(waiting_urls)  # nobody waits for their answers any more
        late = errors.BflUnavailable("no answer in time")
        return [answers.get(url, late) for url in urls]

    def _poll_waiting(
        self,
        waiting_urls: "queue.SimpleQueue[str]",
        polled_urls: "queue.SimpleQueue[_Polled]",
        seconds: float,
    ) -> None:
        """Poll URLs until none waits: the work of one thread."""
        with suppress(queue.Empty):
            while True:
                url = waiting_urls.get_nowait()
                answer = self._poll_or_explain(url, seconds)
                polled_urls.put(_Polled(url, answer))

    def _poll_or_explain(self, url: str, seconds: float) -> BflResponse | errors.BflUnavailable:
        try:
            return self.poll(url, seconds)
        except errors.BflUnavailable as error:
            return error

    def credits(self) -> BflResponse:
        """GET the account's credits. Raises BflUnavailable."""
        return self._get("/v1/credits")

    def credits_left(self) -> float:
        """The credits of the account.

        Raises BflKeyRefused and BflUnavailable, with the reason for the operator.
        """
        answer = self.credits()
        if answer.is_key_refused:
            raise errors.BflKeyRefused(f"BFL refuses the key in {self.key_variable}.")
        if not answer.is_ok:
            raise errors.BflUnavailable(f"BFL answered {answer.status}")
        try:
            body = lenient_json.load_object(answer.body, errors.InvalidReport)
        except errors.InvalidReport:
            raise errors.BflUnavailable(_NO_CREDITS_IN_ANSWER) from None
        credits_left = number(body.get("credits"))
        if credits_left is None:
            raise errors.BflUnavailable(_NO_CREDITS_IN_ANSWER)
        return credits_left

    def try_submission(self, model: str) -> BflResponse:
        """POST an empty input, which makes no task; with a good key BFL names the missing fields.

        Raises BflUnavailable.
        """
        try:
            return self._call(ParsedUrl(self.origin, f"/v1/{model}"), b"{}")
        except (errors.TransferFailed, errors.UrlRefused) as error:
            raise errors.BflUnavailable(f"no answer from {self.origin}: {error}") from None

    def openapi(self) -> bytes:
        """GET BFL's OpenAPI document, without the key. Raises BflUnavailable."""
        answer = self._get(OPENAPI)
        if not answer.is_ok:
            raise errors.BflUnavailable(f"BFL answered {answer.status}")
        return answer.body

    def submit(self, origin: Origin, model: str, body: Body, seconds: float) -> BflResponse:
        """POST to a host of BFL. Raises ConnectionFailed if nothing was sent, or TransferFailed."""
        if not is_model(model):
            return UNKNOWN_MODEL
        try:
            return self._call(ParsedUrl(origin, f"/v1/{model}"), body, seconds)
        except (errors.UrlRefused, errors.BflUnavailable) as error:
            raise errors.ConnectionFailed(str(error)) from None

    def _get(self, path: str) -> BflResponse:
        try:
            return self._call(ParsedUrl(self.origin, path))
        except (errors.TransferFailed, errors.UrlRefused) as error:
            raise errors.BflUnavailable(f"no answer from {self.origin}: {error}") from None

    def _call(
        self, address: ParsedUrl, body: Body | None = None, seconds: float = ANSWER_SECONDS
    ) -> BflResponse:
        headers = self._headers(address)
        if body is not None:
            headers["Content-Type"] = "application/json"
        with (
            self.create_session() as session,
            http_client.send_request(
                session, address, seconds=seconds, headers=headers, body=body
            ) as response,
        ):
            return _read(response)

    def _headers(self, address: ParsedUrl) -> dict[str, str]:
        if address.target == OPENAPI:  # public
            return {}
        is_sandbox = address.origin in self._host_policy.sandboxes
        if self._key is None and not is_sandbox:
            raise errors.BflUnavailable("BFL_API_KEY is not set, so BFL cannot be called")
        if self._key is None:
            return {"x-key": ANY_KEY}
        return {"x-key": self._key.get_secret_value()}


def _drain(waiting_urls: "queue.SimpleQueue[str]") -> None:
    with suppress(queue.Empty):
        while True:
            waiting_urls.get_nowait()


def _read(response: requests.Response) -> BflResponse:
    body = _decoded(response)
    retry_after = http_client.retry_after(response)
    if retry_after is not None:
        retry_after = min(retry_after, RETRY_AFTER_MAX_SECONDS)
    return BflResponse(response.status_code, retry_after, body)


def _decoded(response: requests.Response) -> bytes:
    """Read the body, and undo a coding that we did not ask for, if the body really has it."""
    body: bytes = response.raw.read(ANSWER_MAX_BYTES, decode_content=False)
    header = response.headers.get("Content-Encoding")
    return content_coding.decode_message(header, body, ANSWER_MAX_BYTES)
