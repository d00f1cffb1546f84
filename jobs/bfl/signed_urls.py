"""Signed URLs in untrusted text: detection, expiry, removal of signatures.

Each function takes linear time: anybody may have written the text.
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from jobs.domain.media_references import map_texts

_WORD = re.compile(r"\S+")
_NOT_IN_URLS = re.compile(r"[\s#]")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_SIGNATURE = re.compile(r"sig=[^\s&\"']*", re.IGNORECASE)
_SIGNATURE_PARAMETER = re.compile(r"(?:^|&)sig(?:[=&]|$)")
_EXPIRY_PARAMETER = re.compile(r"(?:^|&)se=([^&]*)")  # the first of repeated ones counts


def is_signed_url(text: str) -> bool:
    """Whether the whole text is a URL with a signature, as BFL's delivery URLs (Azure SAS) are."""
    whole = text.startswith(("https://", "http://")) and _NOT_IN_URLS.search(text) is None
    return whole and _SIGNATURE_PARAMETER.search(_query(text)) is not None


def expires_at(url: str) -> float | None:
    """Return a signed URL's expiry (`se`, RFC 3339) in unix seconds, or None."""
    found = _EXPIRY_PARAMETER.search(_query(url))
    try:
        at = datetime.fromisoformat(unquote_plus(found[1] if found else ""))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _query(url: str) -> str:
    return url.partition("#")[0].partition("?")[2]


def strip_signatures(text: str) -> str:
    """Remove the queries of signed URLs, and signatures outside of URLs."""
    return _WORD.sub(_strip_word, text) if "=" in text else text


def _strip_word(found: re.Match[str]) -> str:
    word = found[0]
    last = word.lower().rfind("sig=")
    if last < 0:
        return word
    scheme = _SCHEME.search(word)
    query = word.find("?", scheme.end()) if scheme else -1
    return word[:query] if 0 <= query < last else _SIGNATURE.sub("", word)


def strip_signatures_in(value: Any) -> Any:
    """Remove signatures from all texts and member names of a JSON value."""
    return map_texts(value, strip_signatures, strip_signatures)
