"""Files of a BFL result: their signed URLs, order and roles.

A job's record has `media:<n>` in place of the URL of its n-th file. Each function over text takes
linear time: anybody may have written it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic_core import to_json

from jobs.domain.bfl_report import Role
from jobs.domain.json_values import map_texts, texts

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
        """The earliest expiry; URLs in unknown places count only if no media field has one."""
        urls: Sequence[str] = [
            url for url, role in zip(self.urls, self.roles, strict=True) if role is not Role.OTHER
        ]
        if not urls:
            urls = self.urls
        earliest: float | None = None
        for url in urls:
            expiry = expires_at(url)
            if expiry is None:
                continue
            if earliest is None or expiry < earliest:
                earliest = expiry
        return earliest


def find_files(result: Mapping[str, Any]) -> ResultFiles:
    """Find the files of a result: samples, then draft bundles, then other signed URLs."""
    roles = dict[str, Role]()
    for name, role in _ROLES.items():
        if name not in result:
            continue
        for url in _urls(result[name]):
            roles.setdefault(url, role)
    for text in texts(result):
        if text not in roles and is_signed_url(text):
            roles[text] = Role.OTHER
    urls = tuple(roles)
    roles_in_order = tuple(roles.values())
    return ResultFiles(urls[:FILES_MAX], roles_in_order[:FILES_MAX], urls[FILES_MAX:])


def _urls(value: Any) -> Iterator[str]:
    """Yield the URLs of a media field: a string, an object with `url`, or a list of both kinds."""
    if isinstance(value, list):
        for item in value:
            yield from _urls(item)
    elif isinstance(value, dict):
        yield from _urls(value.get("url"))
    elif isinstance(value, str) and value:
        yield value


def replace_file_urls(
    result: Mapping[str, Any], files_in_result: ResultFiles, kept: ResultFiles
) -> dict[str, Any]:
    """Replace the URLs of kept files by `media:<n>`, and remove those of all other files."""
    replacements = dict[str, str | None]()
    for url in files_in_result.urls:
        replacements[url] = None
    for url in files_in_result.left_out:
        replacements[url] = None
    for number, url in enumerate(kept.urls):
        replacements[url] = f"media:{number}"

    def replace_url(text: str) -> str | None:
        if text in replacements:
            return replacements[text]
        return strip_signatures(text)

    marked: dict[str, Any] = map_texts(result, replace_url, strip_signatures)
    if len(to_json(marked)) <= RESULT_MAX_BYTES:
        return marked
    media_fields = {name: value for name, value in marked.items() if name in _ROLES}
    if len(to_json(media_fields)) > RESULT_MAX_BYTES:
        return {"truncated": True}
    media_fields["truncated"] = True
    return media_fields


def without_media_fields(result: Mapping[str, Any]) -> dict[str, Any]:
    """Drop plain media fields: the status API lists files separately."""
    return {
        name: value for name, value in result.items() if name not in _ROLES or _has_objects(value)
    }


def _has_objects(value: Any) -> bool:
    """Whether a media field holds more than URLs, as a list of objects does."""
    if isinstance(value, dict):
        return True
    if isinstance(value, list):
        return any(_has_objects(item) for item in value)
    return False


# Signed URLs in untrusted text: detection, expiry, removal of signatures.


def is_signed_url(text: str) -> bool:
    """Whether the whole text is a URL with a signature, as BFL's delivery URLs (Azure SAS) are."""
    if not text.startswith(("https://", "http://")) or _NOT_IN_URLS.search(text):
        return False
    return _SIGNATURE_PARAMETER.search(_query(text)) is not None


def expires_at(url: str) -> float | None:
    """Return a signed URL's expiry (`se`, RFC 3339) in unix seconds, or None."""
    parameter = _EXPIRY_PARAMETER.search(_query(url))
    if parameter is None:
        return None
    try:
        expiry = datetime.fromisoformat(unquote_plus(parameter[1]))
        if expiry.tzinfo is None:
            expiry = expiry.replace(tzinfo=UTC)
        return expiry.timestamp()
    except (ValueError, OverflowError):
        return None


def _query(url: str) -> str:
    without_fragment = url.partition("#")[0]
    return without_fragment.partition("?")[2]


def strip_signatures(text: str) -> str:
    """Remove the queries of signed URLs, and signatures outside of URLs."""
    if "=" not in text:
        return text
    return _WORD.sub(_strip_word, text)


def _strip_word(match: re.Match[str]) -> str:
    word = match[0]
    last_signature = word.lower().rfind("sig=")
    if last_signature < 0:
        return word
    scheme = _SCHEME.search(word)
    if scheme:
        query_start = word.find("?", scheme.end())
        has_query = query_start >= 0
        if has_query and query_start < last_signature:
            return word[:query_start]
    return _SIGNATURE.sub("", word)
