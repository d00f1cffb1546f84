"""Signatures are stripped from foreign text, in time that grows with its length only."""

from collections.abc import Callable

import pytest

from jobs.bfl.result_files import expires_at, is_signed_url, strip_signatures
from tests.unit.test_patterns import grows

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
    assert not grows(lambda size: function("=" + prefix * (size // len(prefix))))
