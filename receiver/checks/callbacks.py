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
    numbers_by_header = []
    for scheme in Scheme:
        accepted = counts.get(scheme_counter(scheme), 0)
        if accepted:
            numbers_by_header.append(f"{accepted} by {HEADERS[scheme]}")
    if numbers_by_header:
        yield ok(NAME, f"accepted so far: {', '.join(numbers_by_header)}")
    else:
        yield ok(NAME, "none was accepted so far")
