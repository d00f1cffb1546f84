"""Proof of origin: what a callback's headers must say, and which links are ours."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer
from pydantic import SecretStr

from jobs.domain.errors import InvalidLink, MediaGone
from jobs.signing import CallbackVerifier, LinkSigner, MediaLink

BODY = b'{"id": "a", "status": "Ready"}'
NOW = 1_700_000_000.0
LINK = MediaLink("job", 1, int(NOW) + 60)


def secrets(*values: str) -> list[SecretStr]:
    return [SecretStr(value) for value in values]


VERIFIER = CallbackVerifier(secrets("first", "second"))


def digest(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def proves(secret: str | None = None, signature: str | None = None, body: bytes = BODY) -> bool:
    return VERIFIER.refusal(secret, signature, body) is None


# Callbacks.


@pytest.mark.parametrize("secret", ["first", "second"])
def test_each_secret_proves_the_origin_in_both_official_ways(secret: str) -> None:
    assert proves(secret=secret) and proves(secret=secret, signature="sha256=wrong")
    for value in (digest(secret), digest(secret).upper()):  # also bare
        assert proves(signature=value) and proves(signature=f"sha256={value}")
        assert proves(secret="wrong", signature=value)


@pytest.mark.parametrize(
    "secret",
    ["", " ", "firs", "first ", " first", "FIRST", "first\n", "first,second", "sécret", "\xff" * 5],
)
def test_a_wrong_secret_proves_nothing(secret: str) -> None:
    assert not proves(secret=secret)


GOOD = digest("first")


@pytest.mark.parametrize(
    "signature",
    [
        *("", "sha256=", "sha256", "=", f"sha1={GOOD}", f"sha512={GOOD}", f"sha256:{GOOD}"),
        *(GOOD[:63], f"{GOOD}0", f"sha256={GOOD[:63]}", f"sha256={GOOD}0", f"sha256=sha256={GOOD}"),
        *("g" * 64, "é" * 64, "\xff" * 64, "0" * 64, f"{GOOD[:32]} {GOOD[32:]}", f" {GOOD}"),
        *(f"sha256= {GOOD}", f"{GOOD}\n", f"{GOOD},{GOOD}", "first", "second"),
        hmac.new(b"first", BODY, hashlib.sha1).hexdigest(),
        hashlib.sha256(b"first" + BODY).hexdigest(),
        digest("retired"),
        digest(""),
        digest("first", b""),
        digest("first", BODY + b"\n"),
        digest("first", BODY.replace(b": ", b":")),
    ],
)
def test_a_wrong_signature_proves_nothing(signature: str) -> None:
    assert not proves(signature=signature)


@pytest.mark.parametrize("at", range(64))
def test_a_digest_that_is_one_bit_off_proves_nothing(at: int) -> None:
    flipped = f"{int(GOOD[at], 16) ^ 1:x}"
    assert not proves(signature=GOOD[:at] + flipped + GOOD[at + 1 :])


def test_a_refusal_says_which_proof_failed_and_not_what_was_sent() -> None:
    assert VERIFIER.refusal(None, None, BODY) == "no authentication"
    assert VERIFIER.refusal("canary", None, BODY) == "wrong secret"
    assert VERIFIER.refusal(None, "canary", BODY) == "wrong signature"
    verifier = CallbackVerifier(secrets("sécret"))  # it is compared as the bytes that were sent
    as_wsgi_reads_it = "sécret".encode().decode("latin-1")
    assert verifier.refusal(as_wsgi_reads_it, None, BODY) is None
    assert verifier.refusal("sécret", None, BODY) is not None


@given(st.text(), st.text(), st.binary())
def test_any_headers_are_refused(secret: str, signature: str, body: bytes) -> None:
    assert secret in ("first", "second") or not proves(secret, signature, body)


# Links.


def signer(*keys: str) -> LinkSigner:
    return LinkSigner(secrets(*keys))


def test_the_first_key_signs_and_all_verify() -> None:
    old = signer("old").sign(LINK)
    rotated = signer("new", "old")
    assert rotated.read(old, NOW) == LINK
    assert signer("new").read(rotated.sign(LINK), NOW) == LINK
    with pytest.raises(InvalidLink):
        signer("old").read(rotated.sign(LINK), NOW)


@pytest.mark.parametrize("late", [0.0, 0.5, 1e9])
def test_a_link_ends_when_it_says(late: float) -> None:
    token = signer("k").sign(LINK)
    assert signer("k").read(token, LINK.expires - 0.1) == LINK
    with pytest.raises(MediaGone):
        signer("k").read(token, LINK.expires + late)


def test_a_link_that_was_tampered_with_is_not_ours() -> None:
    token = signer("k").sign(LINK)
    for at in range(len(token) - 1):  # the last character holds bits that are not used
        other = "A" if token[at] != "A" else "B"
        with pytest.raises(InvalidLink):
            signer("k").read(token[:at] + other + token[at + 1 :], NOW)


@pytest.mark.parametrize("salt", [b"itsdangerous", "another use", "fluxkeep"])
def test_a_token_that_was_signed_for_another_use_is_no_link(salt: str | bytes) -> None:
    for serializer in (URLSafeSerializer("k", salt=salt), URLSafeTimedSerializer("k", salt=salt)):
        with pytest.raises(InvalidLink):
            signer("k").read(str(serializer.dumps(list(LINK))), NOW)


@given(st.text(max_size=200))
def test_any_text_that_is_no_link_is_refused_as_such(text: str) -> None:
    for token in (text, "", ".", "a.b", "\ud800", "\0", "a" * 100_000, ".eJw.a"):
        with pytest.raises(InvalidLink):
            signer("k").read(token, NOW)


@given(
    job_id=st.uuids().map(str) | st.text("abcXYZ019_-", min_size=1, max_size=128),
    n=st.integers(0, 99),
    expires=st.integers(0, 2**40),
    kind=st.sampled_from(({}, {"thumbnail": True}, {"is_input": True})),
)
def test_media_links_are_tokens_of_itsdangerous(
    job_id: str, n: int, expires: int, kind: dict[str, bool]
) -> None:
    link = MediaLink(job_id, n, expires, **kind)
    content = [*link] if kind else [*link][:3]
    token = LinkSigner(secrets("new", "old")).sign(link)
    reference = URLSafeSerializer(["old", "new"], salt="fluxkeep media link 1")
    assert reference.loads(token) == content
    made = reference.dumps(content)
    assert token == made or made.startswith(".")  # compressed, which is as good
    for one in (token, made):
        assert LinkSigner(secrets("newer", "new")).read(one, expires - 1) == link
