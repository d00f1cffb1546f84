"""Unauthenticated callbacks change nothing (I15), tell nothing, and are visible to the operator."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.harness import KEYS, WEBHOOK_SECRET
from tests.harness.wire import Answer, Header, chunked, request, signature
from tests.system.bad_input.target import (
    PROOF,
    RETIRED_SECRET,
    SECOND_SECRET,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    TargetServer,
    failed,
    new_id,
    pending,
    signed,
)

ACCELERATORS = ("on", "off")
Proof = Callable[[bytes], Sequence[Header]]


def _secret(value: str | bytes) -> Proof:
    return lambda _: [(SECRET_HEADER, value)]


def _digest(shape: Callable[[str], str | bytes]) -> Proof:
    """The right digest, malformed."""
    return lambda body: [(SIGNATURE_HEADER, shape(signature(WEBHOOK_SECRET, body)))]


# The whole table of malformed proofs is in tests/unit/test_signing.py: here is what the wire and
# the server's reading of headers add, and one of each kind.
WRONG: dict[str, Proof] = {
    "nothing": lambda _: [],
    "both empty": lambda _: [(SECRET_HEADER, ""), (SIGNATURE_HEADER, "")],
    "prefix alone": _digest(lambda _: "sha256="),
    "full-width digits": _digest(lambda _: "sha256=" + "\uff11" * 64),
    "64 bytes beyond ascii": _digest(lambda _: b"sha256=" + b"\xff" * 64),
    "one bit off": _digest(lambda digest: f"sha256={digest[:-1]}{int(digest[-1], 16) ^ 1:x}"),
    "the retired secret": _secret(RETIRED_SECRET),
    "the admin key": _secret(KEYS["admin"]),
    "a secret and a latin-1 byte": _secret(WEBHOOK_SECRET.encode() + b"\xe9"),
    "secret twice": lambda _: [PROOF, PROOF],
    "right and wrong secret": lambda _: [PROOF, (SECRET_HEADER, "x")],
    "wrong and right secret": lambda _: [(SECRET_HEADER, "x"), PROOF],
    "wrong and right signature": lambda body: [signed(body, "x"), signed(body)],
    "secret in a cookie": lambda _: [("Cookie", f"{SECRET_HEADER}={WEBHOOK_SECRET}")],
    "secret as bearer": lambda _: [("Authorization", f"Bearer {WEBHOOK_SECRET}")],
    "underscores for dashes": lambda _: [("X_Webhook_Secret", WEBHOOK_SECRET)],
    "as the server's own variable": lambda _: [("HTTP-X-Webhook-Secret", WEBHOOK_SECRET)],
}
RIGHT: dict[str, Proof] = {
    "second secret": _secret(SECOND_SECRET),
    "secret among blanks": _secret(f"  {WEBHOOK_SECRET}\t "),
    "header in small letters": lambda _: [(SECRET_HEADER.lower(), WEBHOOK_SECRET)],
    "signature with the second secret": lambda body: [signed(body, SECOND_SECRET)],
    "capitals and no prefix": _digest(lambda digest: digest.upper()),
    "right secret, wrong signature": lambda body: [PROOF, signed(body, "x")],
    "wrong secret, right signature": lambda body: [(SECRET_HEADER, "x"), signed(body)],
}
BROKEN_BODIES = (b"", b"{", b"\xff", b"[" * 60_000)


@pytest.fixture(scope="module")
def refusal(target: TargetServer) -> Answer:
    """Response to a callback without any authentication."""
    return target.call_back(failed(new_id()))


def _same(answer: Answer, refusal: Answer) -> bool:
    """Whether two responses are equal except for the Date header."""
    changing = {"date": "", "connection": ""}
    one, other = (replace(each, headers=each.headers | changing) for each in (answer, refusal))
    return one == other


@pytest.mark.parametrize("proof", WRONG.values(), ids=WRONG)
def test_a_callback_that_proves_nothing_is_refused(
    server: TargetServer, refusal: Answer, job_id: str, proof: Proof
) -> None:
    before, body = server.job(job_id), failed(job_id)
    answer = server.call_back(body, *proof(body))
    assert answer.status == 401 and _same(answer, refusal)
    assert server.job(job_id) == before
    stranger = failed(unknown := new_id())
    assert _same(server.call_back(stranger, *proof(stranger)), refusal)
    assert server.job(unknown) is None


@pytest.mark.parametrize("proof", RIGHT.values(), ids=RIGHT)
def test_each_official_proof_is_taken(server: TargetServer, proof: Proof) -> None:
    body = pending(job_id := new_id())
    assert server.call_back(body, *proof(body)).status == 200
    assert server.job(job_id)


@pytest.mark.parametrize("name", ["secret", SECRET_HEADER])
def test_a_secret_in_the_query_or_in_the_body_proves_nothing(
    server: TargetServer, refusal: Answer, job_id: str, name: str
) -> None:
    target = f"/webhooks/bfl?{name}={WEBHOOK_SECRET}"
    body = json.dumps({"id": job_id, "status": "Error", name: WEBHOOK_SECRET}).encode()
    for answer in (server.call_back(failed(job_id), target=target), server.call_back(body)):
        assert _same(answer, refusal)


def test_a_secret_after_the_body_is_no_proof(server: TargetServer, job_id: str) -> None:
    parts = chunked(failed(job_id)).removesuffix(b"\r\n")
    trailer = f"{SECRET_HEADER}: {WEBHOOK_SECRET}\r\n\r\n".encode()
    headers = [("Transfer-Encoding", "chunked"), ("Trailer", SECRET_HEADER)]
    assert server.exchange(request(headers, parts + trailer, length=None)).status in (400, 401)


@pytest.mark.parametrize("body", BROKEN_BODIES, ids=lambda body: repr(body[:10]))
def test_an_unauthenticated_sender_gets_the_same_answer_for_any_body(
    server: TargetServer, refusal: Answer, body: bytes
) -> None:
    assert _same(server.call_back(body, (SECRET_HEADER, "wrong")), refusal)
