"""Files of a BFL result: their signed URLs, order and roles.

A job's record has `media:<n>` in place of the URL of its n-th file. Each function over text takes
linear time: anybody may have written it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic_core import to_json

from jobs.domain.bfl_report import Role
from jobs.domain.media_references import map_texts, texts

FILES_MAX = 256
RESULT_MAX_BYTES = 16_384

_WORD = re.compile(r"\S+")
_NOT_IN_URLS = re.compile(r"[\s#]")
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_SIGNATURE = re.compile(r"sig=[^\s&\"']*", re.IGNORECASE)
_SIGNATURE_PARAMETER = re.compile(r"(?:^|&)sig(?:[=&]|$)")
_EXPIRY_PARAMETER = re.compile(r"(?:^|&)se=([^&]*)")  # the first of repeated ones counts

# FLUX 3 sends lists whose first item is also the singular; each may come alone.
_ROLES = {
    "sample": Role.SAMPLE,
    "samples": Role.SAMPLE,
    "draft_cache": Role.DRAFT_CACHE,
    "draft_caches": Role.DRAFT_CACHE,
}


class ResultFiles(NamedTuple):
    """Delivery URLs, byte-exact, each once and with its role; `left_out` are beyond FILES_MAX."""

    urls: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def expires_at(self) -> float | None:
        """Return the earliest expiry; URLs in unknown places count only if there are no others."""
        roles = zip(self.urls, self.roles, strict=True)
        known = [url for url, role in roles if role is not Role.OTHER]
        times = map(expires_at, known or self.urls)
        return min([at for at in times if at is not None], default=None)


def find_files(result: Mapping[str, Any]) -> ResultFiles:
    """Find the files of a result: samples, then draft bundles, then other signed URLs."""
    found: dict[str, Role] = {}
    for name, role in _ROLES.items():
        for url in _urls(result[name]) if name in result else ():
            found.setdefault(url, role)
    for text in texts(result):
        if text not in found and is_signed_url(text):
            found[text] = Role.OTHER
    urls = tuple(found)
    return ResultFiles(urls[:FILES_MAX], tuple(found.values())[:FILES_MAX], urls[FILES_MAX:])


def _urls(value: Any) -> Iterator[str]:
    """Yield the URLs of a media field: a string, an object with `url`, or a list of these."""
    if isinstance(value, list):
        for item in value:
            yield from _urls(item)
    elif isinstance(value, dict):
        yield from _urls(value.get("url"))
    elif isinstance(value, str) and value:
        yield value


def replace_file_urls(
    result: Mapping[str, Any], found: ResultFiles, kept: ResultFiles
) -> dict[str, Any]:
    """Replace the URLs of kept files by `media:<n>`, and remove those of all files found."""
    marks = dict.fromkeys(found.urls + found.left_out)
    marks |= {url: f"media:{n}" for n, url in enumerate(kept.urls)}

    def change(text: str) -> str | None:
        return marks[text] if text in marks else strip_signatures(text)

    marked: dict[str, Any] = map_texts(result, change, strip_signatures)
    if len(to_json(marked)) <= RESULT_MAX_BYTES:
        return marked
    media = {name: value for name, value in marked.items() if name in _ROLES}
    return (media if len(to_json(media)) <= RESULT_MAX_BYTES else {}) | {"truncated": True}


def without_media_fields(result: Mapping[str, Any]) -> dict[str, Any]:
    """Drop plain media fields: the status API lists files separately."""
    return {
        name: value for name, value in result.items() if name not in _ROLES or _has_objects(value)
    }


def _has_objects(value: Any) -> bool:
    """Whether a media field holds more than URLs, as a list of objects does."""
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_objects, value)))


# Signed URLs in untrusted text: detection, expiry, removal of signatures.


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
