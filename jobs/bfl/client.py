"""BFL's API over HTTP: one request that carries the key, one answer read whole."""

import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

import requests
from pydantic import SecretStr

from jobs.bfl.hosts import HostPolicy
from jobs.config.concurrency import is_model
from jobs.errors import BflUnavailable, ConnectionFailed, TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import Origin, ParsedUrl

ANSWER_SECONDS = 10.0
ANSWER_MAX_BYTES = 1_048_576
RETRY_AFTER_MAX_SECONDS = 3600.0
ANY_KEY = "any"  # a sandbox wants one, like BFL, and takes whatever it is


class Answer(NamedTuple):
    """What BFL answered, as it came; `retry_after` in seconds."""

    status: int
    retry_after: float | None
    body: bytes

    @property
    def good(self) -> bool:
        return self.status == HTTPStatus.OK

    @property
    def key_refused(self) -> bool:
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def unknown(self) -> bool:
        return self.status == HTTPStatus.NOT_FOUND


# What BFL says to a path it does not have, said without asking: no other path is worth the key.
UNKNOWN_MODEL = Answer(
    HTTPStatus.NOT_FOUND, None, b'{"detail": "the model is not a path of plain names"}'
)


class BflClient:
    """Asks BFL with the operator's key, which goes to BFL's API hosts and nowhere else."""

    def __init__(self, key: SecretStr | None, trust: HostPolicy, origin: Origin) -> None:
        self._key = key
        self._trust = trust
        self.origin = origin

    @property
    def session(self) -> requests.Session:
        return http_client.create_session(self._trust.sandbox)

    def poll(self, session: requests.Session, url: str) -> Answer:
        """The answer of a polling URL, through redirects. Raises BflUnavailable."""
        allow, headers = self._trust.validate_polling_url, self._headers
        try:
            with http_client.get_following_redirects(
                session, allow(url), seconds=ANSWER_SECONDS, allow=allow, headers=headers
            ) as response:
                return _read(response)
        except (TransferFailed, UrlRefused) as error:
            raise BflUnavailable(str(error)) from None

    def credits(self) -> Answer:
        """The answer to "how many credits are left?". Raises BflUnavailable."""
        try:
            with self.session as session:
                return self._call(session, ParsedUrl(self.origin, "/v1/credits"))
        except (TransferFailed, UrlRefused) as error:
            raise BflUnavailable(str(error)) from None

    def submit(self, origin: Origin, model: str, body: bytes, seconds: float) -> Answer:
        """The answer to a submission to this host of BFL.

        Raises NotSent when BFL cannot have heard of it, TransferFailed when it may have.
        """
        if not is_model(model):
            return UNKNOWN_MODEL
        try:
            with self.session as session:
                return self._call(session, ParsedUrl(origin, f"/v1/{model}"), body, seconds)
        except UrlRefused as error:
            raise ConnectionFailed(str(error)) from None
        except BflUnavailable as error:
            raise ConnectionFailed(str(error)) from None

    def _call(
        self,
        session: requests.Session,
        address: ParsedUrl,
        body: bytes | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Answer:
        headers = self._headers(address)
        if body is not None:
            headers["Content-Type"] = "application/json"
        with http_client.send_request(
            session, address, seconds=seconds, headers=headers, body=body
        ) as response:
            return _read(response)

    def _headers(self, address: ParsedUrl) -> dict[str, str]:
        if self._key is None and address.origin != self._trust.sandbox:
            raise BflUnavailable("BFL_API_KEY is not set, so BFL cannot be asked")
        return {"x-key": self._key.get_secret_value() if self._key else ANY_KEY}


def _read(response: requests.Response) -> Answer:
    body = response.raw.read(ANSWER_MAX_BYTES, decode_content=False)
    return Answer(response.status_code, _retry_after(response.headers.get("Retry-After")), body)


def _retry_after(header: str | None) -> float | None:
    """Seconds, from either form RFC 9110 allows; None when the header says nothing usable."""
    if not header:
        return None
    if header.isascii() and header.isdigit() and len(header) < 10:
        return min(float(header), RETRY_AFTER_MAX_SECONDS)
    try:
        seconds = parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_SECONDS)
