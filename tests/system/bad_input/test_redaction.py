"""Planted secrets appear in no log, no RQ key and no response."""

import secrets
import time
from collections.abc import Iterator

import pytest

from jobs.store.codec import decode
from tests.harness import Installation, check
from tests.harness.stack import stopped_stack
from tests.system.bad_input.storm import FATES, SIGNATURE_CANARY, Storm
from tests.system.bad_input.target import TargetServer
from tests.system.bad_input.wire import exchange

pytestmark = pytest.mark.slow

LOG_SECONDS = 0.2


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """All requests were sent, with all processes at log level DEBUG."""
    directory = tmp_path_factory.mktemp("redaction")
    with stopped_stack(directory, LOG_LEVEL="DEBUG", CALLBACK_GRACE="1") as stack:
        stack.installation.start()
        stack.installation.wait_until_ready()
        raging = Storm(TargetServer(stack.installation), stack.box)
        with stack.installation.supervised():
            raging.run_storm()
        yield raging


def canaries(installation: Installation) -> list[str]:
    return [*installation.secrets(), SIGNATURE_CANARY, "sig="]


def leaks(text: str, planted: list[str]) -> list[str]:
    """The lines that contain a planted secret."""
    return [line[:300] for line in text.splitlines() if any(one in line for one in planted)]


def test_the_requests_lead_to_every_kind_of_end(storm: Storm) -> None:
    ends = {name: job["status"] for name, job in storm.jobs.items()}
    assert set(ends) == set(FATES) and set(ends.values()) >= {"stored", "failed", "moderated"}
    assert {answer.status for answer in storm.answers} >= {200, 400, 401, 403, 404, 413, 422, 503}
    assert storm.links and any(request.has_key for request in storm.sandbox.requests)


def test_neither_a_secret_nor_a_media_link_is_in_a_log(storm: Storm) -> None:
    installation = storm.target.installation
    tokens = [link.removeprefix("/media/") for link in storm.links]
    assert leaks(installation.logs(), [*canaries(installation), *tokens]) == []


def test_no_secret_is_in_an_answer(storm: Storm) -> None:
    planted = canaries(storm.target.installation)
    found = [answer for answer in storm.answers if leaks(answer.everything, planted)]
    assert found == []


def test_no_traceback_is_in_a_log_or_an_answer(storm: Storm) -> None:
    log_text = storm.target.installation.logs("web", "sweep")
    log_text += "".join(answer.everything for answer in storm.answers)
    assert "Traceback" not in log_text and 'File "' not in log_text


def test_never_an_answer_is_our_fault(storm: Storm) -> None:
    # While Redis was down it was said so, which makes BFL come again.
    statuses = {answer.status for answer in storm.answers}
    assert [status for status in statuses if status >= 500] == [503]


def test_no_ended_job_has_a_signed_url(storm: Storm) -> None:
    records = storm.target.records().values()
    ended = [job for job in map(decode, records) if job.status.terminal]
    assert ended and not [job for job in ended if "sig=" in repr(job)]


def test_no_secret_of_ours_is_in_a_record(storm: Storm) -> None:
    planted = storm.target.installation.secrets()
    kept = repr([decode(record) for record in storm.target.records().values()])
    assert not [secret for secret in planted if secret in kept]


def test_after_all_requests_the_invariants_hold(storm: Storm) -> None:
    """Among them: no secret is in a key of RQ or in a log."""
    check(storm.target.installation)


# A head that cannot be read may hold a secret as well as one that can.

MALFORMED = {
    "no colon": "POST /webhooks/bfl HTTP/1.1\r\nHost: x\r\nX-Webhook-Secret %s\r\n\r\n",
    "in the name": "POST /webhooks/bfl HTTP/1.1\r\nHost: x\r\nX-Webhook-Secret(%s): 1\r\n\r\n",
    "a NUL behind it": "POST /webhooks/bfl HTTP/1.1\r\nX-Webhook-Secret: %s\0\r\n\r\n",
    "in a bad version": "GET /media/%s HTTP/9.9\r\n\r\n",
    "in a request line of two words": "GET /media/%s\r\n\r\n",
    "in a method": "%s /webhooks/bfl HTTP/1.1\r\n\r\n",
    "in a target that is none": "GET media/%s HTTP/1.1\r\n\r\n",
    "in a coding": "POST /webhooks/bfl HTTP/1.1\r\nTransfer-Encoding: %s\r\n\r\n",
    "in a length": "POST /webhooks/bfl HTTP/1.1\r\nContent-Length: %s\r\n\r\n",
    "in a chunk size": "POST /webhooks/bfl HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    "in the query of a long URL": "GET /x?" + "a" * 5000 + "%s HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("shape", MALFORMED.values(), ids=MALFORMED)
def test_a_head_that_cannot_be_read_is_neither_logged_nor_repeated(
    server: TargetServer, shape: str
) -> None:
    planted = f"head-canary-{secrets.token_hex(8)}"
    answer = exchange(server.port, (shape % planted).encode())
    time.sleep(LOG_SECONDS)
    assert leaks(server.installation.logs("web"), [planted]) == []
    assert answer is None or planted not in answer.everything
