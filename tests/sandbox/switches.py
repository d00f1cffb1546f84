"""Switches of one task, in the submission's field `sandbox`: outcome, faults and timing."""

from collections.abc import Sequence
from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from tests.sandbox.odd_json import OddJson
from tests.sandbox.settings import CHECKED, SubmitFault

Outcome = Literal[
    "ready",
    "error",
    "failed",
    "request_moderated",
    "content_moderated",
    "not_found",
    "pending_forever",
]


@dataclass(frozen=True, config=CHECKED)
class Switches:
    """The defaults are a BFL without faults; a count is the number of attempts that fail first.

    Raises ValidationError.
    """

    # Submitting
    submit_status: SubmitFault | None = None
    submit_detail: str | None = None  # BFL's words with it
    submit_times: int | None = None  # only the first n equal submissions fail
    submit_answer: dict[str, Any] = field(default_factory=dict)  # more members of the answer
    submit_cut: bool = False  # the task is created, the connection closed without an answer
    submit_hang: float = 0.0  # the task is created, the answer delayed by these seconds
    submit_false_error: Literal[429, 500, 502, 503, 504] | None = (
        None  # the task is created, the answer is this error
    )
    strict: bool | None = None  # whether BFL's document is applied; None: as in the settings
    polling_url: bool = False  # True: named in answers to submissions with a webhook_url too
    cluster: int | None = None  # that gets the task; None: each gets one in turn
    submit_json: OddJson | None = None  # how the answer is written that accepts it
    retry_after: float | None = None  # sent with 429 and 503; 503 sends 1 by default

    # The outcome
    seconds: float | None = None
    outcome: Outcome = "ready"
    reasons: list[str] = field(default_factory=lambda: ["Violence"])
    details_as: Literal["dict", "string", "null"] | None = "dict"
    error_text: str = "Generation failed"
    samples: int = 1
    sample: Literal["present", "missing"] = "present"
    sample_url: str | None = None  # literal, for hostile URLs
    draft_cache: bool = False
    drafts: int = 0  # draft bundles, in `draft_cache` and `draft_caches`
    others: int = 0  # more files, in undocumented fields of the result
    elements: Literal["strings", "objects"] = "strings"  # of the lists in the result
    extra_result: dict[str, Any] = field(default_factory=dict)  # additional fields
    lists: bool | None = None  # `samples` and `draft_caches`; None: where there is more than one
    draft_body: str | None = None  # delivered as the draft cache

    # Calling back
    payload: Literal["current", "legacy", "skills"] = "current"
    auth: Literal["secret", "signature", "both", "none", "wrong"] = "secret"
    callback: Literal["once", "never"] | int = "once"
    callback_delay: float = 0.0
    progress_events: int = 0
    callback_json: OddJson | None = None  # how the body is written, which is signed as it is
    cost_in_callback: bool = False
    priced: bool = True  # False: no answer says what it costs
    named_cost: Any = None  # any JSON that answers name in place of the price

    # Polling: failing polls come in this order; `poll_hang` delays each poll
    poll_404: int = 0
    poll_status_not_found: int = 0
    poll_429: int = 0
    poll_503: int = 0
    poll_500: int = 0
    poll_html: int = 0
    poll_cut: int = 0
    poll_hang: float = 0.0
    poll_redirect: str | None = None
    poll_redirect_hops: int = 0
    poll_json: OddJson | None = None  # how the answers are written
    failed_status: Literal[400, 402, 422, 500, 502, 503] | None = None  # HTTP status of such a poll
    # What hosts that do not have the task answer, 404 as recorded unless told otherwise.
    wrong_cluster: Literal["not_found", "404", "pending"] = "404"

    # Delivering: failing deliveries come in this order
    delivery_500: int = 0
    reset: int = 0
    short_body: int = 0
    wrong_md5: int = 0
    delivery_status: int | None = None
    delivery_status_from: int = 0  # only after n downloads, as by a URL that dies early
    delivery_status_times: int | None = None  # only the first n, as by a replica that lags
    redirect: str | None = None
    redirect_hops: int = 0  # redirects within this host before the media
    hang: float = 0.0
    drip: float | None = None  # bytes per second of the body
    drip_headers: float | None = None  # bytes per second of status line and headers
    no_length: bool = False
    no_md5: bool = False
    too_large: bool = False  # declares one tebibyte and never stops sending
    gzip: bool = False
    delivery_headers: dict[str, str] = field(default_factory=dict)  # in place of the usual ones
    content_type: str | None = None
    body: str | None = None  # delivered instead of media
    body_base64: str | None = None  # the same for binary bodies
    format: Literal["jpeg", "png", "webp", "mp4"] | None = None
    size: int = 0  # bytes; images are never smaller than their natural size
    path: Literal["results", "sharded", "durable"] = "results"
    life: float | None = None  # lifetime of the first URL in seconds; zero or less: expired at once
    resign: bool = True  # whether get_result returns a fresh URL for an expired one


def nth_fault(switches: Switches, names: Sequence[str], n: int) -> str | None:
    """Return the n-th fault: each occurs its number of times, in order; then None."""
    for name in names:
        if n < getattr(switches, name):
            return name
        n -= getattr(switches, name)
    return None
