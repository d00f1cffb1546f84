"""Signatures of callbacks, callback tokens, media links, login links and notifications."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer
from pydantic import SecretStr
from standardwebhooks import Webhook

from jobs.domain.errors import InvalidLink, MediaGone

_LINK_SALT = "fluxkeep media link 1"
_CALLBACK_SALT = "fluxkeep callback token 1"
_LOGIN_SALT = "fluxkeep login link 1"
_IDEMPOTENCY = "fluxkeep idempotency 2"
_DERIVATION = "fluxkeep callback secret 1"
_JSON = json.JSONEncoder(separators=(",", ":"))
_SIGNATURE = re.compile(rb"[0-9a-f]{64}")

LOGIN_SECONDS = 900
# A used link is remembered for longer than it is valid: its time has whole seconds, and the clocks
# of web and Redis may differ.
USED_LOGIN_SECONDS = LOGIN_SECONDS + 60
FORGED_BODY = b"something else"  # what a check signs in place of its body, to be refused


def callback_digest(secret: bytes, body: bytes) -> bytes:
    """The hex digest of `X-BFL-Signature: sha256=<hex HMAC-SHA256(secret, raw body)>`."""
    return hmac.digest(secret, body, "sha256").hex().encode()


class Scheme(StrEnum):
    """How BFL proved who it is in a callback."""

    SECRET = "secret"  # noqa: S105 - X-Webhook-Secret
    SIGNATURE = "signature"  # X-BFL-Signature
    BOTH = "both"  # the secret, and a signature besides, which was not needed


class CallbackVerifier:
    """Verifier of BFL's two authentication headers; compares bytes in constant time."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._secrets = [secret.encode() for secret in _plain_texts(secrets)]

    def refusal(
        self, secret_header: str | None, signature_header: str | None, body: bytes
    ) -> str | None:
        """The reason to refuse a body; None when one of the two headers authenticates it."""
        signature = _signature_bytes(signature_header)
        digests = [callback_digest(secret, body) for secret in self._secrets]
        if _is_one_of(digests, signature) or self.knows_secret(secret_header):
            return None
        if signature_header:
            return "wrong signature"
        if secret_header:
            return "wrong secret"
        return "no authentication"

    def knows_secret(self, header: str | None) -> bool:
        """Whether the value of `X-Webhook-Secret` is one of the secrets."""
        if not header:
            return False
        return _is_one_of(self._secrets, header.encode("latin-1", "replace"))


def _is_one_of(expected_values: Iterable[bytes], value: bytes) -> bool:
    """Compare with every value, so that the time taken does not tell which one matched."""
    is_equal_to_one = False
    for expected in expected_values:
        if hmac.compare_digest(value, expected):
            is_equal_to_one = True
    return is_equal_to_one


def is_signature(header: str | None) -> bool:
    """Whether the value of `X-BFL-Signature` has the form of one."""
    return _SIGNATURE.fullmatch(_signature_bytes(header)) is not None


def _signature_bytes(header: str | None) -> bytes:
    if header is None:
        return b""
    # WSGI decodes headers as latin-1; this restores the bytes that were sent.
    sent_bytes = header.encode("latin-1", "replace")
    return sent_bytes.removeprefix(b"sha256=").lower()


class CallbackTokens:
    """Signed tokens that name a job in its webhook URL, and a webhook secret for each job.

    A leaked secret is valid for one job only. The first key signs and all verify, so that keys
    can be rotated while jobs are at BFL.
    """

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._keys = _plain_texts(keys)
        newest_last = self._keys[::-1]  # as itsdangerous expects
        self._serializer = URLSafeSerializer(newest_last, salt=_CALLBACK_SALT)

    def sign(self, job_id: str) -> str:
        return str(self._serializer.dumps(job_id))

    def read(self, token: str) -> str:
        """The job's id in a token. Raises InvalidLink when it is forged."""
        try:
            return str(self._serializer.loads(token))
        except BadData:
            raise InvalidLink from None

    def secret(self, job_id: str) -> str:
        """The webhook secret of a job, derived from the first key."""
        return _derived(self._keys[0], job_id)

    def verifier(self, job_id: str) -> CallbackVerifier:
        return CallbackVerifier(SecretStr(_derived(key, job_id)) for key in self._keys)


def _derived(key: str, job_id: str) -> str:
    message = f"{_DERIVATION} {job_id}"
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


def idempotent_id(secret: SecretStr, *seed: str) -> str:
    """A job id that repeats for the same seed; without the secret it is unpredictable."""
    message = "\0".join((_IDEMPOTENCY, *seed)).encode("utf-8", "replace")
    digest = hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


class MediaLink(NamedTuple):
    """Content of a media link: the n-th file of a job's result or input, and the expiry."""

    job_id: str
    n: int
    expires: int  # unix time
    thumbnail: bool = False
    is_input: bool = False


class LinkSigner:
    """Signer of media links with their expiry: the first key signs, all verify."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        newest_last = _newest_last(keys)
        self._serializer = URLSafeSerializer(newest_last, salt=_LINK_SALT)
        self._hmac = hmac.new(
            self._serializer.make_signer(_LINK_SALT).derive_key(), digestmod="sha1"
        )

    def sign(self, link: MediaLink) -> str:
        """A token as itsdangerous makes it, in a fifth of the time: it derives the key once."""
        fields = list(link)
        if not link.thumbnail and not link.is_input:
            fields = fields[:3]  # links to files are shorter without the fields for other objects
        content = _base64(_JSON.encode(fields).encode())
        signature = self._hmac.copy()
        signature.update(content)
        return (content + b"." + _base64(signature.digest())).decode()

    def read(self, token: str, now: float) -> MediaLink:
        """The link in a token. Raises InvalidLink when it is forged, MediaGone when expired."""
        try:
            link = MediaLink(*self._serializer.loads(token))
        except (BadData, TypeError, ValueError):
            raise InvalidLink from None
        if now >= link.expires:
            raise MediaGone("the link has expired")
        return link


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _newest_last(keys: Iterable[SecretStr]) -> list[str]:
    """The keys in the order that itsdangerous expects; settings name the newest first."""
    newest_first = _plain_texts(keys)
    return newest_first[::-1]


def _plain_texts(secrets: Iterable[SecretStr]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


class LoginToken(NamedTuple):
    """Content of a login link: the name of an API key, and a random id for single use."""

    key_name: str
    id: str


class LoginSigner:
    """Tokens of login links, valid for LOGIN_SECONDS; the first key signs, all verify."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        newest_last = _newest_last(keys)
        self._serializer = URLSafeTimedSerializer(newest_last, salt=_LOGIN_SALT)

    def sign(self, key_name: str) -> str:
        return str(self._serializer.dumps(LoginToken(key_name, secrets.token_urlsafe(16))))

    def read(self, token: str) -> LoginToken:
        """The content of a token. Raises InvalidLink when it is forged or expired."""
        try:
            key_name, token_id = self._serializer.loads(token, max_age=LOGIN_SECONDS)
            return LoginToken(key_name, token_id)
        except (BadData, TypeError, ValueError):
            raise InvalidLink from None


NOTIFICATION_SECRET_BYTES = range(24, 65)
_WHSEC = "whsec_"


def is_notification_secret(secret: str) -> bool:
    """Whether every verifier of Standard Webhooks accepts a secret."""
    try:
        decoded = base64.b64decode(secret.removeprefix(_WHSEC), validate=True)
    except ValueError:
        return False
    return len(decoded) in NOTIFICATION_SECRET_BYTES


class NotificationSigner:
    """Signer by Standard Webhooks: every secret signs, so that receivers can rotate theirs."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._webhooks = [Webhook(secret) for secret in _plain_texts(secrets)]

    def headers(self, message_id: str, now: float, body: str) -> dict[str, str]:
        at = datetime.fromtimestamp(int(now), UTC)
        signatures = [webhook.sign(message_id, at, body) for webhook in self._webhooks]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join(signatures),
        }
