"""The settings: valid they are, but are they wise?"""

from collections.abc import Iterator

from pydantic import SecretStr

from jobs.hosts import LOOPBACK, parse
from jobs.settings import Settings
from receiver.doctor.finding import Finding, ok, warning

SECRET_MIN_CHARS = 16

_LONGER = (
    "Make a long one: python -c 'import secrets; print(secrets.token_urlsafe(32))'. "
    "Put it first in the list and keep the old one until nothing uses it."
)


def look(settings: Settings) -> Iterator[Finding]:
    """One line when nothing is to be said, else one for each thing."""
    found = [*_public_url(settings), *_secrets(settings), *_defaults(settings)]
    yield ok("settings", "every variable makes sense")
    yield from found


def _public_url(settings: Settings) -> Iterator[Finding]:
    if settings.bfl_api_key is None or settings.bfl_origin == settings.bfl_sandbox_url:
        return
    remedy = "Set it to the https address under which the world reaches the web process."
    if not settings.public_url:
        said = "is not set, so BFL calls nobody about jobs submitted here; they are polled"
        yield warning("PUBLIC_URL", said, remedy)
        return
    origin = parse(settings.public_url.lower()).origin
    if origin.host.strip("[]") in LOOPBACK:
        yield warning("PUBLIC_URL", "names this machine itself, where BFL cannot call", remedy)
    elif origin.scheme != "https":
        yield warning("PUBLIC_URL", "is not an https address, and BFL calls only those", remedy)


def _secrets(settings: Settings) -> Iterator[Finding]:
    keys = [key.key for key in settings.api_keys if not key.is_hashed]
    lists = {
        "SECRET_KEY": settings.secret_key,
        "WEBHOOK_SECRET": settings.webhook_secret,
        "API_KEYS": keys,
    }
    for name, secrets in lists.items():
        if any(map(_short, secrets)):
            said = f"holds a secret of fewer than {SECRET_MIN_CHARS} characters"
            yield warning(name, said, _LONGER)


def _short(secret: SecretStr) -> bool:
    return len(secret.get_secret_value()) < SECRET_MIN_CHARS


def _defaults(settings: Settings) -> Iterator[Finding]:
    if "redis_url" not in settings.model_fields_set:
        said = "is not set: a Redis on this machine, without a password, is used"
        yield warning("REDIS_URL", said, "Set it to the URL of the Redis that you mean.")
    if "media_url" not in settings.model_fields_set:
        said = "is not set: media are kept in var/media of the working directory"
        yield warning("MEDIA_URL", said, "Name a place that lasts and that all processes share.")
