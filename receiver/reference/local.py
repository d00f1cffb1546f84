"""What depends on this installation: which URLs it takes, and how long a link may live."""

from collections.abc import Iterable

from jobs.hosts import ANY_HOST, LOOPBACK, Origin, Trust
from jobs.settings import Settings
from receiver.bodies import URL_MAX_CHARS
from receiver.patterns import anchored
from receiver.reference.schemas import Schema

_PORT = "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_PLAIN = r"A-Za-z0-9_~!$&'()*+,;=:@-"
# No segment that a parser might take for dots.
_ESCAPED = "%([013-9A-Fa-f][0-9A-Fa-f]|2[0-9A-DFa-df])"
_PATH = rf"(/(\.*([{_PLAIN}]|{_ESCAPED})([.{_PLAIN}]|{_ESCAPED})*)?)*"
_QUERY = rf"(\?[.%/?{_PLAIN}]*)?"
_HOST = r"[a-z0-9.-]{1,253}"
_POLLED = r"(api|gateway)"


def schemas(settings: Settings, trust: Trust) -> dict[str, Schema]:
    """Of the fields and parameters that bear these names."""
    most = max(settings.link_ttl, settings.link_ttl_max)
    return {
        "polling_url": _urls([_of_bfl(trust), *_of_sandbox(trust.sandbox)]),
        "notify_url": _urls(_of_apps(trust)),
        "webhook_url": _urls(_of_callers(trust)),
        "link_ttl": {"type": "integer", "minimum": 1, "maximum": int(most)},
    }


def _urls(patterns: Iterable[str]) -> Schema:
    """None at all: only null is taken."""
    either = "|".join(patterns)
    text = {"type": "string", "maxLength": URL_MAX_CHARS, "pattern": anchored(either)}
    return {"anyOf": [text, {"type": "null"}]} if either else {"type": "null"}


def _of_bfl(trust: Trust) -> str:
    region = rf"\.{trust.region}[0-9]*" if trust.region else r"(\.[a-z0-9-]{1,63})*"
    return rf"https://{_POLLED}{region}\.bfl\.ai(:443)?/v1/get_result{_QUERY}"


def _of_sandbox(sandbox: Origin | None) -> list[str]:
    return [rf"{_literal(str(sandbox))}/v1/get_result{_QUERY}"] if sandbox else []


def _of_apps(trust: Trust) -> list[str]:
    if trust.notify_hosts is None:
        return []
    named = [_literal(host) for host in trust.notify_hosts if host != ANY_HOST]
    own = [rf"https?://({'|'.join(named)}){_PORT}{_PATH}{_QUERY}"] if named else []
    return own + (_of_callers(trust) if ANY_HOST in trust.notify_hosts else [])


def _literal(text: str) -> str:
    """Python also escapes what JavaScript's patterns must not have escaped."""
    return text.replace(".", r"\.").replace("[", r"\[").replace("]", r"\]")


def _of_callers(trust: Trust) -> list[str]:
    rest = _PORT + _PATH + _QUERY
    near = "|".join(_literal(host) for host in LOOPBACK if ":" not in host)
    anywhere = rf"https://({_HOST}|\[[0-9a-f:.]{{2,45}}\]){rest}"
    return [anywhere, *([rf"http://({near}){rest}"] if trust.sandbox else [])]
