"""Check of media links that redirect: browsers elsewhere must reach the bucket's address."""

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from jobs.net.ip import is_internal_host
from receiver.blocking_calls import run_in_thread
from receiver.checks.context import Context
from receiver.checks.result import Result, ok, warning

NAME = "media_links"
SAMPLE_KEY = "any"
SAMPLE_SECONDS = 60
REMEDY = (
    "Set MEDIA_SERVE=stream, or give the bucket a public https address: browsers elsewhere and "
    "clients such as the AI SDK refuse such redirects."
)


def check(context: Context) -> Iterator[Result]:
    """Look at the address that a presigned link has; nothing is sent to it."""
    if context.settings.media_serve != "redirect":
        return
    link = run_in_thread(context.storage.presign, "GET", SAMPLE_KEY, SAMPLE_SECONDS)
    if link is None:
        yield ok(NAME, "streamed: this storage signs no links")
        return
    address = urlsplit(link)
    objection = objection_to(address)
    origin = f"{address.scheme}://{address.netloc}"
    if objection is None:
        yield ok(NAME, f"browsers are redirected to {origin}")
    else:
        yield warning(NAME, f"browsers are redirected to {origin}, {objection}", REMEDY)


def objection_to(address: SplitResult) -> str | None:
    """Why clients elsewhere may not follow a redirect to an address; None if they can."""
    host = address.hostname or ""
    if address.scheme != "https":
        return "which is plain http"
    is_single_label = "." not in host and ":" not in host
    if is_single_label or host.endswith((".local", ".internal")):
        return "a name that only this network knows"
    if is_internal_host(host):
        return "which is not on the internet"
    return None
