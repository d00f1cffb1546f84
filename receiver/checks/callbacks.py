"""Check of the callbacks so far: by which header BFL proved who it is."""

from collections.abc import Iterator

from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.signing import Scheme
from jobs.store.metrics import scheme_counter
from receiver.checks.context import Context
from receiver.checks.result import Result, ok

NAME = "callbacks"

_SECRET, _SIGNATURE = AUTHENTICATION_HEADERS
HEADERS = {
    Scheme.SECRET: _SECRET,
    Scheme.SIGNATURE: _SIGNATURE,
    Scheme.BOTH: f"{_SECRET} beside {_SIGNATURE}",
}


def check(context: Context) -> Iterator[Result]:
    counts = context.services.metrics.totals().counts
    accepted = {scheme: counts.get(scheme_counter(scheme), 0) for scheme in Scheme}
    by_header = [f"{number} by {HEADERS[scheme]}" for scheme, number in accepted.items() if number]
    if by_header:
        yield ok(NAME, f"accepted so far: {', '.join(by_header)}")
    else:
        yield ok(NAME, "none was accepted so far")
