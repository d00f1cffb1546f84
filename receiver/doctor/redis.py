"""Redis: whether it answers, and whether it keeps what it is given."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.clock import Clock, unavailable
from jobs.errors import StoreUnavailable
from jobs.pulse import Pulse
from jobs.queues import Hints
from jobs.settings import Settings
from receiver.doctor import wire
from receiver.doctor.finding import Finding, failed, ok, warning

PART = "Redis"

_START = "See that it runs and that REDIS_URL names its host and port."
_REMEDIES = {
    "AuthenticationError": "Put the right user and password into REDIS_URL.",
    "BusyLoadingError": "It is reading its data: ask again in a minute.",
    "NoPermissionError": "Give the user in REDIS_URL the right to all keys and commands it needs.",
    "OutOfMemoryError": "Give it more memory; nothing new can be accepted until then.",
    "ReadOnlyError": "REDIS_URL names a replica; put the address of the primary there.",
}
_APPEND_ONLY = "Set appendonly to yes, or choose a plan of your provider that is durable."
_NO_EVICTION = "Set maxmemory-policy to noeviction."


def look(redis: Any, settings: Settings) -> Iterator[Finding]:
    """One finding when it does not answer or takes no writes, for the rest cannot be known."""
    pulse = Pulse(redis, Clock(redis), Hints(redis))
    try:
        pulse.ping()
        pulse.trouble("doctor", "a trial")  # gone by itself in a minute
    except StoreUnavailable as error:
        kind = str(error).removeprefix("Redis: ")
        said = f"cannot be used ({kind})"
        yield failed(PART, said, _REMEDIES.get(kind, _START))
        return
    yield from inside(_info(redis))
    yield from wire.look(settings)


def _info(redis: Any) -> dict[str, Any]:
    """What it says of itself; some providers forbid INFO or leave parts out."""
    try:
        with unavailable():
            return dict(redis.info())
    except StoreUnavailable:
        return {}


def inside(info: Mapping[str, Any]) -> Iterator[Finding]:
    """What follows from the fields of INFO, any of which can be missing."""
    yield _server(info)
    yield _persistence(info)
    yield _eviction(info)


def _server(info: Mapping[str, Any]) -> Finding:
    name = str(info.get("server_name", "redis")).capitalize()
    version = info.get(f"{name.lower()}_version", info.get("redis_version", "of unknown version"))
    if info.get("redis_mode") == "cluster":
        remedy = "Use a single server (with replicas, if you like): records and queues go together."
        return failed(PART, f"{name} {version} is a cluster", remedy)
    return ok(PART, f"{name} {version} answers and takes writes")


def _persistence(info: Mapping[str, Any]) -> Finding:
    part = f"{PART} on disk"
    on = info.get("aof_enabled")
    if on is None:
        said = "whether it keeps what it accepted cannot be known from here"
        return warning(part, said, "Ask your provider whether the append-only file is on.")
    if not on:
        said = "the append-only file is off: a crash loses what was accepted since the last save"
        return warning(part, said, _APPEND_ONLY)
    if info.get("aof_last_write_status", "ok") != "ok":
        return failed(part, "its last write to disk failed", "See to its disk: it may be full.")
    return ok(part, "the append-only file is on")


def _eviction(info: Mapping[str, Any]) -> Finding:
    part = f"{PART} memory"
    policy, limit = info.get("maxmemory_policy"), info.get("maxmemory")
    if policy is None:
        said = "what it does when memory runs out cannot be known from here"
        return warning(part, said, "Ask your provider whether maxmemory-policy is noeviction.")
    if policy == "noeviction":
        return ok(part, "nothing is evicted when memory runs out")
    if limit == 0:
        said = f"maxmemory-policy is {policy}, harmless only while there is no maxmemory"
        return warning(part, said, _NO_EVICTION)
    return failed(part, f"maxmemory-policy is {policy}: jobs will vanish", _NO_EVICTION)
