"""Planted secrets appear in no log, no RQ key and no response.

`check` looks for them in logs and RQ keys after every fault as well.
"""

import secrets
import time
from collections.abc import Iterator

import pytest

from jobs.store.codec import decode
from tests.harness import assert_invariants
from tests.harness.wire import exchange
from tests.system.bad_input.storm import Storm
from tests.system.bad_input.target import TargetServer, web_alone

pytestmark = pytest.mark.slow

LOG_SECONDS = 0.2


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """All requests were sent, with the web process at log level DEBUG."""
    with web_alone(tmp_path_factory.mktemp("redaction"), LOG_LEVEL="DEBUG") as target:
        raging = Storm(target)
        raging.rage()
        yield raging


def leaks(text: str, planted: list[str]) -> list[str]:
    """The lines that contain a planted secret."""
    return [line[:300] for line in text.splitlines() if any(one in line for one in planted)]


def test_no_secret_is_in_an_answer(storm: Storm) -> None:
    planted = [*storm.target.installation.secrets(), "sig="]
    assert [answer for answer in storm.answers if leaks(answer.everything, planted)] == []


def test_no_traceback_is_in_a_log_or_an_answer(storm: Storm) -> None:
    log_text = storm.target.installation.logs()
    log_text += "".join(answer.everything for answer in storm.answers)
    assert "Traceback" not in log_text and 'File "' not in log_text


def test_every_kind_of_answer_was_given_and_none_is_our_fault(storm: Storm) -> None:
    statuses = {answer.status for answer in storm.answers}
    assert statuses >= {200, 400, 401, 403, 404, 413, 422}
    # While Redis was down it was said so, which makes BFL come again.
    assert [status for status in statuses if status >= 500] == [503]


def test_no_secret_of_ours_is_in_a_record(storm: Storm) -> None:
    planted = storm.target.installation.secrets()
    kept = repr([decode(record) for record in storm.target.records().values()])
    assert not [secret for secret in planted if secret in kept]


def test_after_all_requests_the_invariants_hold(storm: Storm) -> None:
    """Among them: no secret is in a log or in a key of RQ."""
    assert_invariants(storm.target.installation)


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
