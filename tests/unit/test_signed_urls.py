"""Signatures are stripped from foreign text, in time that grows with its length only."""

import time
from collections.abc import Callable

import pytest

from jobs.bfl.result_files import expires_at, is_signed_url, strip_signatures

URL = "https://delivery.eu2.bfl.ai/a.png?se=2026-08-15T19%3A22%3A20Z&sig=CANARY%2Fx"
BARE = "https://delivery.eu2.bfl.ai/a.png"


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        (URL, BARE),
        (f"see {URL} for more", f"see {BARE} for more"),
        (f"<{URL}>", f"<{BARE}"),
        (URL.replace("sig", "SIG"), BARE),
        ("sig=CANARY", ""),
        ("a&sig=CANARY&b=1", "a&&b=1"),
        ("https://example.com/?q=1", "https://example.com/?q=1"),
        ("plain", "plain"),
        (f"{URL}\t{URL}", f"{BARE}\t{BARE}"),
    ],
)
def test_a_signature_is_stripped(text: str, stripped: str) -> None:
    assert strip_signatures(text) == stripped


WORST = ["http://?", "https://", "sig=", "?sig=", "http://?sig=", "?", "&se=", "= ", "a", "://?&"]


@pytest.mark.parametrize("prefix", WORST)
@pytest.mark.parametrize("function", [strip_signatures, is_signed_url, expires_at])
def test_the_time_for_foreign_text_grows_with_its_length_only(
    function: Callable[[str], object], prefix: str
) -> None:
    def seconds(size: int) -> float:
        text = "=" + prefix * (size // len(prefix))
        best = 1.0
        for _ in range(5):
            began = time.process_time()
            function(text)
            best = min(best, time.process_time() - began)
        return best

    # Eight times the text: eight times the time, not sixty-four times.
    assert seconds(65_536) < max(24 * seconds(8_192), 0.002)
