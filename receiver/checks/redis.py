"""Checks of Redis: reachable, private, persistent, without eviction, durable as set, not full."""

import socket
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.config.redis_url import RedisUrl
from jobs.config.settings import Settings
from jobs.domain.errors import StoreUnavailable
from jobs.net.ip import is_loopback_host, is_public
from jobs.store.redis import write_durability
from jobs.store.redis.command_probe import ACL_RULES, refused_command
from jobs.store.redis.outages import unavailable
from jobs.store.redis.write_durability import Durability
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

NAME = "redis"
DISK = "redis_disk"
EVICTION = "redis_eviction"
MEMORY = "redis_memory"
ACCESS = "redis_access"
DURABILITY = "durability"
MEMORY_HIGH = 0.7  # submissions have stopped by then
MEMORY_FULL = 0.99

_START = "Check that it runs and that REDIS_URL names its host and port."
_REMEDIES = {
    "AuthenticationError": "Put the right user and password into REDIS_URL.",
    "BusyLoadingError": "It is loading its data. Try again in a minute.",
    "NoPermissionError": "Allow the user in REDIS_URL every key and command that Fluxkeep uses.",
    "NotPrimary": "REDIS_URL leads to a replica, or to a primary that lacks a replica it needs.",
}
_ALLOW = (
    "Allow that user the keys, commands, scripts and transactions that Fluxkeep uses: "
    f"ACL SETUSER name {ACL_RULES}"
)
_REFUSAL = "ResponseError"
_FULL = "OutOfMemoryError"
_READ_LOG = "Read its log: its disk may be full. Until then callbacks are refused."
_ADD_MEMORY = "Give it more memory, or keep fewer days (RETAIN_JOBS_DAYS)."
_APPEND_ONLY = "Set appendonly to yes, or choose a plan of your provider that is durable."
_NO_EVICTION = "Set maxmemory-policy to noeviction."
_DURABILITY = {
    Durability.MEMORY: "memory: a power cut or a failover can lose the last second",
    Durability.FSYNC: "fsync: acknowledged writes are on the disk of the primary",
    Durability.REPLICA: "replica: acknowledged writes are on a replica",
}
_NOT_DURABLE = {
    Durability.FSYNC: ("the disk did not confirm a write", "Check the disk of Redis."),
    Durability.REPLICA: ("no replica confirmed a write", "Check that a replica is connected."),
}


def check(context: Context) -> Iterator[Result]:
    """Only failures when Redis does not answer or refuses writes: the rest is unknown.

    A full memory is another check's: it must not prevent a release that relieves it.
    """
    health_probes = context.services.health_probes
    try:
        health_probes.write_test_key()
    except StoreUnavailable as error:
        kind = str(error).removeprefix("Redis: ")
        if kind == _REFUSAL:
            yield failed(NAME, f"answers, but takes no writes ({kind})", _READ_LOG)
            for result in check_info(health_probes.info()):
                if not result.ok:
                    yield result
            return
        if kind != _FULL:
            yield failed(NAME, f"does not answer ({kind})", _REMEDIES.get(kind, _START))
            return
    context.redis_answers = True
    yield from check_info(health_probes.info())
    yield from check_access(context.settings)


def check_commands(context: Context) -> Iterator[Result]:
    """Run all commands that Fluxkeep uses: a callback would meet the one that is refused.

    No result while all are taken, or while Redis does not answer. INFO is not needed.
    """
    if not context.redis_answers:
        return
    command = refused_command(context.services.redis)
    if command is not None:
        yield failed(NAME, f"refuses {command} to the user in REDIS_URL", _ALLOW)


def check_info(info: Mapping[str, Any]) -> Iterator[Result]:
    """Check the fields of INFO, any of which a provider may omit."""
    name = str(info.get("server_name", "redis")).capitalize()
    version = info.get(f"{name.lower()}_version", info.get("redis_version", "of unknown version"))
    if info.get("redis_mode") == "cluster":
        remedy = "Use a single server, with replicas if you like: scripts use several keys at once."
        yield failed(NAME, f"{name} {version} is a cluster", remedy)
    else:
        yield ok(NAME, f"{name} {version} answers")
    yield from _check_disk(info)
    yield from _check_eviction(info)


def _check_disk(info: Mapping[str, Any]) -> Iterator[Result]:
    enabled = info.get("aof_enabled")
    if enabled is None:
        why = "cannot be known: INFO does not say whether the append-only file is on"
        yield warning(DISK, why, "Ask your provider whether the append-only file is on.")
    elif not enabled:
        why = "the append-only file is off: a crash loses every write since the last snapshot"
        yield warning(DISK, why, _APPEND_ONLY)
    elif info.get("aof_last_write_status", "ok") != "ok":
        yield failed(DISK, "its last write to disk failed", "Check its disk: it may be full.")
    else:
        yield ok(DISK, "the append-only file is on")


def _check_eviction(info: Mapping[str, Any]) -> Iterator[Result]:
    policy = info.get("maxmemory_policy")
    if policy is None:
        why = "cannot be known: INFO does not name the maxmemory-policy"
        yield warning(EVICTION, why, "Ask your provider whether maxmemory-policy is noeviction.")
    elif policy == "noeviction":
        yield ok(EVICTION, "nothing is evicted when memory runs out")
    elif info.get("maxmemory") == 0:
        why = f"maxmemory-policy is {policy}, harmless only while there is no maxmemory"
        yield warning(EVICTION, why, _NO_EVICTION)
    else:
        yield failed(EVICTION, f"maxmemory-policy is {policy}: jobs will vanish", _NO_EVICTION)


def check_memory(context: Context) -> Iterator[Result]:
    """Warn before Redis is full, and fail when only jobs that it knows go on."""
    ratio = context.services.health_probes.memory_used_ratio()
    why = f"{ratio:.0%} of maxmemory is used" if ratio else "no maxmemory is known"
    if ratio < MEMORY_HIGH:
        yield ok(MEMORY, why)
    elif ratio < MEMORY_FULL:
        yield warning(MEMORY, f"{why}: no submissions are accepted", _ADD_MEMORY)
    else:
        yield failed(MEMORY, f"{why}: callbacks of unknown tasks are refused", _ADD_MEMORY)


def check_access(settings: Settings) -> Iterator[Result]:
    """No result for a Redis on this machine."""
    url = settings.redis
    if url.is_socket or all(map(is_loopback_host, url.hosts)):
        return
    weaknesses = list(_weaknesses(url, is_verified=settings.redis_verify))
    if weaknesses:
        yield from weaknesses
    else:
        yield ok(ACCESS, "needs a password and is encrypted or private")


def _weaknesses(url: RedisUrl, *, is_verified: bool) -> Iterator[Result]:
    # A socket on this machine is protected by its permissions.
    if not url.password and not url.is_socket:
        why = "needs no password: anybody who can connect can run code in the workers"
        yield warning(ACCESS, why, "Set one (requirepass or an ACL) and put it into REDIS_URL.")
    if not url.is_encrypted and any(map(_is_on_internet, url.hosts)):
        why = "crosses the internet without TLS"
        yield warning(ACCESS, why, "Use a rediss:// URL, or a private network.")
    if url.is_encrypted and not is_verified:
        why = "is encrypted, but REDIS_VERIFY is off: another server could pose as Redis"
        remedy = "Leave it off only where the provider's certificate cannot be checked (Heroku)."
        yield warning(ACCESS, why, remedy)


def _is_on_internet(host: str) -> bool:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    addresses = [str(answer[4][0]) for answer in answers]
    return any(is_public(address) for address in addresses)


def check_durability(context: Context) -> Iterator[Result]:
    """Confirm a write by disk or replica, as callbacks do."""
    level = Durability(context.settings.durability)
    with unavailable():
        is_reached = write_durability.probe(context.services.redis, level)
    if is_reached:
        yield ok(DURABILITY, _DURABILITY[level])
    else:
        why, remedy = _NOT_DURABLE[level]
        yield failed(
            DURABILITY, f"{level}: {why} in time, so callbacks are answered with 503", remedy
        )
