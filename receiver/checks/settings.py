"""Checks of the settings: unwise values, and missing packages that a setting needs."""

from collections.abc import Iterator

from jobs.config import settings
from jobs.config.settings import Settings
from jobs.net.urls import parse
from jobs.observability import sentry
from jobs.storage.opening import sends_plain_http
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

NAME = "settings"


def check(context: Context) -> Iterator[Result]:
    """One result for the settings as a whole, and one for each warning or missing package."""
    yield ok(NAME, "every variable is valid")
    yield from _public_url(context.settings)
    if "redis_url" not in context.settings.model_fields_set:
        why = "not set, so a Redis on this machine without a password is used"
        yield warning("REDIS_URL", why, "Set it to the URL of your Redis.")
    if "media_url" not in context.settings.model_fields_set:
        why = "not set, so media are stored in var/media of the working directory"
        yield warning("MEDIA_URL", why, "Set it to persistent storage that all processes share.")
    if _media_are_unencrypted(context.settings):
        why = "plain http, so media and signatures are unencrypted on their way"
        remedy = "Use https, or make sure that the network between is yours alone."
        yield warning("AWS_ENDPOINT_URL", why, remedy)
    for variable in context.settings.odd_bfl_keys:
        yield warning(variable, settings.ODD_BFL_KEY, "See BFL's dashboard: it may be cut or old.")
    problem = sentry.missing_package(context.settings)
    if problem:
        yield invalid(problem)


def invalid(problem: str) -> Result:
    """Failure for a variable that prevents the start; `problem` is "NAME: reason"."""
    name, _, why = problem.partition(": ")
    return failed(name, why, "Correct it (docs/settings.md lists all variables) and check again.")


def _media_are_unencrypted(settings: Settings) -> bool:
    if not settings.storage_url.startswith("s3:"):
        return False
    variables = {name: value.get_secret_value() for name, value in settings.media_options.items()}
    return sends_plain_http(settings.storage_url, variables)


def _public_url(settings: Settings) -> Iterator[Result]:
    if not settings.has_bfl_key or settings.has_sandbox:
        return
    remedy = "Set it to the public https address of the web process."
    if not settings.public_url:
        why = "not set, so jobs submitted here get no callbacks and are polled"
        yield warning("PUBLIC_URL", why, remedy)
        return
    origin = parse(settings.public_url).origin
    if origin.is_loopback:
        yield warning("PUBLIC_URL", "a loopback address, which BFL cannot call", remedy)
    elif origin.scheme != "https":
        yield warning("PUBLIC_URL", "not an https address; BFL calls no others", remedy)
