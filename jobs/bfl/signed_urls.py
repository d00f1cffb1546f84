"""Signed URLs in foreign text: recognise them, read their expiry, strip their signatures.

Everything here sees text that anybody may have written, so each function is linear in it.
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

_WORD = re.compile(r"\S+")
_NOT_IN_URLS = re.compile(r"[\s#]")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_SIGNATURE = re.compile(r"sig=[^\s&\"']*", re.IGNORECASE)


def is_signed_url(text: str) -> bool:
    """Whether the whole text is a URL with a signature, as BFL's delivery URLs (Azure SAS) are."""
    whole = text.startswith(("https://", "http://")) and _NOT_IN_URLS.search(text) is None
    return whole and "sig" in _parameters(text)


def expires_at(url: str) -> float | None:
    """The expiry (`se`, RFC 3339) of a signed URL in unix seconds; None when it names none."""
    try:
        at = datetime.fromisoformat(unquote_plus(_parameters(url).get("se", "")))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _parameters(url: str) -> dict[str, str]:
    """Query parameters, still encoded; of a repeated one the first counts."""
    query = url.partition("#")[0].partition("?")[2]
    pairs = (part.partition("=") for part in reversed(query.split("&")))
    return {name: value for name, _, value in pairs}


def strip_signatures(text: str) -> str:
    """A text without the queries of signed URLs and without signatures that stand alone."""
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
    """A JSON value whose texts are without signatures, names of members included."""
    if isinstance(value, str):
        return strip_signatures(value)
    if isinstance(value, list):
        return [strip_signatures_in(item) for item in value]
    if isinstance(value, dict):
        return {strip_signatures(k): strip_signatures_in(v) for k, v in value.items()}
    return value
