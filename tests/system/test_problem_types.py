"""Every error that docs/api.md lists, as a client of the API gets it."""

import gzip
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from requests import Response

from jobs.store.rate_limiter import WRONG_KEYS_MAX
from jobs.store.redis.keys import RECORD_PREFIX
from receiver.webhook import LARGE_BODIES_MAX
from tests.harness import Stack, wait_for
from tests.harness.documents import page, prose
from tests.harness.stored_objects import a_file_in_place_of
from tests.harness.wire import Wire, request

SETTINGS = {"MAX_ANNOUNCED": "2"}
LISTED = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", prose(page("docs/api.md")), re.MULTILINE)
IMAGE = "data:image/png;base64," + "QUJD" * 1000
SUBMISSION = {"model": "flux-2-pro", "input": {"prompt": "a fox"}}
# Tests of their own: a defect (test_problem_details), a request that stalls (the last one here), a
# database that is away (system/archive), budgets (integration/submitting/test_budgets), and more
# jobs than a batch has (integration/archive).
ELSEWHERE = {
    *("internal_error", "request_timeout", "too_many_waiting", "archive_unavailable"),
    *("over_budget", "price_unknown", "too_many_jobs", "storage_full"),
}


Provoke = Callable[[Stack], Response]


def call(method: str, path: str = "/api/jobs", scope: str = "admin", **options: Any) -> Provoke:
    return lambda stack: stack.installation.client(scope).request(method, path, **options)


def post(stack: Stack, path: str = "/api/jobs", **options: Any) -> Response:
    return call("POST", path, **options)(stack)


def link(stack: Stack) -> str:
    return str(stack.stored(stack.generate())["media"][0]["url"])


def wrong_status(stack: Stack) -> Response:
    return post(stack, f"/api/jobs/{stack.announced().id}/replays")


def input_not_kept(stack: Stack) -> Response:
    return post(stack, f"/api/jobs/{stack.announced().id}/repeats")


def media_gone(stack: Stack) -> Response:
    job = stack.stored(stack.generate())
    stack.client.request("DELETE", f"/api/jobs/{job['id']}").raise_for_status()
    return stack.client.get(job["media"][0]["url"])


def idempotency_key_reused(stack: Stack) -> Response:
    headers = {"Idempotency-Key": "once"}
    post(stack, json=SUBMISSION, headers=headers).raise_for_status()
    return post(stack, json=SUBMISSION | {"metadata": {"n": 2}}, headers=headers)


def rate_limited(stack: Stack) -> Response:
    headers = {"X-Forwarded-For": "198.51.100.7"}
    for _ in range(2 * WRONG_KEYS_MAX.requests):
        answer = stack.installation.client("guess").request("GET", "/api/jobs", headers=headers)
        if answer.status_code != 401:
            break
    return answer


def too_many_announced(stack: Stack) -> Response:
    return [stack.installation.client("submit").put_job(f"made-up-{n}") for n in range(3)][-1]


def other_key(stack: Stack) -> Response:
    task = stack.generate()
    stack.stored(task)  # of nobody, until it is announced
    stack.announce(task)
    return stack.installation.client("submit").put_job(task.id, metadata={"n": "2"})


def unreadable_record(stack: Stack) -> Response:
    with stack.installation.redis.client() as redis:
        redis.set(f"{RECORD_PREFIX}broken", b"\x00")
        answer = stack.client.get("/api/jobs/broken")
        redis.delete(f"{RECORD_PREFIX}broken")
    return answer


def queue_full(stack: Stack) -> Response:
    with stack.installation.redis.client() as redis:
        memory: Any = redis.info("memory")
    stack.installation.redis.set_maxmemory(int(memory["used_memory"] * 1.5))
    answer = post(stack, json=SUBMISSION)
    stack.installation.redis.set_maxmemory(0)
    return answer


def storage_unavailable(stack: Stack) -> Response:
    body = {"model": "flux-2-pro", "input": {"prompt": "x", "input_image": IMAGE}}
    with a_file_in_place_of(stack.installation.media):
        return post(stack, json=body)


def redis_unavailable(stack: Stack) -> Response:
    stack.installation.redis.stop()
    answer = stack.client.get("/api/jobs")
    stack.installation.redis.start()
    wait_for("it works again", lambda: stack.client.get("/api/jobs").ok)
    return answer


# How to get each error, and what its `detail` says.
PROVOKED: dict[str, tuple[Provoke, str]] = {
    "bad_request": (call("POST", json={"x" * 300_000: 1}), "A name in the body is too long."),
    "compressed_body": (
        call("POST", data=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}),
        "without `Content-Encoding`",
    ),
    "invalid_json": (
        call("POST", data='{"model": "flux-2-pro",\n "input": {]}'),
        "line 2, column 12",
    ),
    "invalid_parameter": (
        call("GET", params={"limit": "x"}),
        "limit: Give a whole number from 1 to 200.",
    ),
    "invalid_report": (lambda stack: stack.client.callback({"status": "Ready"}), "id"),
    "no_key": (call("GET", scope=""), "`x-key: <key>`"),
    "wrong_key": (call("GET", scope="no"), "`API_KEYS`"),
    "wrong_webhook_secret": (
        lambda stack: stack.client.callback({"id": "a"}, auth="wrong"),
        "`WEBHOOK_SECRET`",
    ),
    "forbidden": (
        call("POST", scope="read", json=SUBMISSION),
        "This needs a key with scope submit.",
    ),
    "invalid_link": (call("GET", "/media/forged"), "not signed here"),
    "unknown_batch": (call("GET", "/api/batches/nobody"), "No batch has"),
    "count_required": (
        call("POST", "/api/replays?metadata.user=nobody"),
        "with `count` and `until`",
    ),
    "count_changed": (
        call("DELETE", params={"q": "nothing", "count": "9"}),
        "Another number of jobs",
    ),
    "unknown_job": (call("GET", "/api/jobs/nobody"), "No job has this id."),
    "not_found": (call("GET", "/api/nothing"), "`/docs`"),
    "method_not_allowed": (call("PATCH"), "`Allow`"),
    "wrong_status": (wrong_status, "Only a job that failed, expired or was lost"),
    "input_not_kept": (input_not_kept, "is not kept"),
    "media_gone": (media_gone, "The media were deleted."),
    "precondition_failed": (
        lambda stack: call("GET", link(stack), headers={"If-Match": '"x"'})(stack),
        "`If-Match`",
    ),
    "body_too_large": (call("PUT", "/api/jobs/a", data="{}" + " " * 70_000), "65,536 bytes"),
    "range_not_satisfiable": (
        lambda stack: call("GET", link(stack), headers={"Range": "bytes=99999999999-"})(stack),
        "`Content-Range`",
    ),
    "invalid_field": (
        call("POST", json={"model": "flux-2-pro", "prompt": "a fox"}),
        "prompt: It belongs inside `input`.",
    ),
    "idempotency_key_reused": (idempotency_key_reused, "`Idempotency-Key`"),
    "rate_limited": (rate_limited, "Too many wrong keys from your address: come again later."),
    "too_many_announced": (too_many_announced, "`MAX_ANNOUNCED`"),
    "other_key": (other_key, "Another API key"),
    "unreadable_record": (unreadable_record, "repair"),
    "queue_full": (queue_full, "`Retry-After`"),
    "storage_unavailable": (storage_unavailable, "The media storage failed"),
    "redis_unavailable": (redis_unavailable, "Redis does not answer"),
}


def test_each_error_of_the_page_is_provoked() -> None:
    assert {code for _, code in LISTED} == PROVOKED.keys() | ELSEWHERE


@pytest.mark.parametrize("code", PROVOKED)
def test_an_error_has_its_code_and_says_what_is_wrong(stack: Stack, code: str) -> None:
    provoke, text = PROVOKED[code]
    check(stack, provoke(stack), code, text)


def check(stack: Stack, answer: Response, code: str, text: str = "") -> None:
    body = answer.json()
    assert (str(answer.status_code), code) in LISTED
    assert (body["code"], body["type"], body["status"]) == (
        code,
        f"/docs/errors#{code}",
        answer.status_code,
    )
    assert text in body["detail"]
    assert body["detail"][0] == "`" or body["detail"][0].isupper() or body.get("errors")
    assert body["detail"].endswith(".")
    described = stack.installation.client("").get("/docs/errors")
    assert described.ok and f'id="{code}"' in described.text


@pytest.mark.slow
def test_requests_that_stall_are_refused_and_so_is_who_comes_then(stack: Stack) -> None:
    """Each claims a signature over a large body, of which nothing comes."""
    port = int(stack.installation.url.rpartition(":")[2])
    head = request([("X-BFL-Signature", f"sha256={'0' * 64}")], length="100000")
    with ExitStack() as opened:
        stalled = [opened.enter_context(Wire(port)) for _ in range(LARGE_BODIES_MAX)]
        for wire in stalled:
            wire.send(head)
        refused = stack.client.callback(b"x" * 100_000, auth="signature")
        check(stack, refused, "too_many_waiting")
        answer = stalled[0].answer(timeout=40)
        assert answer and answer.status == 408 and b'"request_timeout"' in answer.body
