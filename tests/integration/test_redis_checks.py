"""The checks of a Redis that answers and refuses writes: what is wrong, and not that it is away."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from jobs.config import settings
from jobs.services import require_durability
from receiver.checks import redis as checks
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness import RedisServer, wait_for
from tests.harness.required_settings import SECRETS

BALLAST_BYTES = 20_000_000


BuildContext = Callable[[str], Context]


@pytest.fixture
def build_context() -> Iterator[BuildContext]:
    """Contexts over a Redis; the connections of their checks are closed after the test."""
    contexts = []

    def build(url: str) -> Context:
        context = Context(settings.load(SECRETS | {"REDIS_URL": url}))
        contexts.append(context)
        return context

    yield build
    for context in contexts:
        context.services.redis.close()


@pytest.fixture
def context(build_context: BuildContext, redis_server: RedisServer) -> Context:
    return build_context(redis_server.url)


def test_a_redis_that_cannot_write_its_disk_is_not_said_to_be_away(
    context: Context, redis: Redis, redis_server: RedisServer
) -> None:
    redis_server.refuse_writes()
    with pytest.raises(ResponseError, match="MISCONF"):
        redis.set("unsaved", 2)
    (result,) = checks.check(context)
    assert not result.ok and not context.redis_answers
    assert result.why == "answers, but takes no writes (ResponseError)"
    assert "disk may be full" in result.remedy


def test_a_full_redis_needs_memory(context: Context, redis_server: RedisServer) -> None:
    redis_server.set_maxmemory(1)
    assert all(result.ok for result in checks.check(context)) and context.redis_answers
    (result,) = checks.check_memory(context)
    assert not result.ok and "callbacks of unknown tasks are refused" in result.why
    assert "more memory" in result.remedy
    durable = settings.load(SECRETS | {"REDIS_URL": redis_server.url, "DURABILITY": "fsync"})
    require_durability(durable)  # a web process may start


@pytest.mark.parametrize(
    ("share", "grade"),
    [(0.0, Grade.OK), (0.6, Grade.OK), (0.75, Grade.WARNING), (0.95, Grade.WARNING)],
)
def test_memory_is_a_warning_before_it_is_full(
    context: Context, redis: Redis, redis_server: RedisServer, share: float, grade: Grade
) -> None:
    redis.set("ballast", bytes(BALLAST_BYTES))

    def is_graded() -> bool:  # buffers come and go
        used: Any = redis.info("memory")
        redis_server.set_maxmemory(int(used["used_memory"] / share) if share else 0)
        (result,) = checks.check_memory(context)
        return result.grade is grade

    wait_for(f"{share:.0%} is {grade}", is_graded, 5)


ALLOWED = ("~fluxkeep:*", "~rq:*", "+@all", "-@dangerous", "+info")
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no scripting": ((*ALLOWED, "-@scripting"), "EVAL"),
    "no EVALSHA": ((*ALLOWED, "-evalsha"), "EVALSHA"),
    "no SCRIPT": ((*ALLOWED, "-script"), "SCRIPT LOAD"),
    "no XADD": ((*ALLOWED, "-xadd"), "XADD in a script"),
    "no streams": ((*ALLOWED, "-@stream"), "XADD in a script"),
    "no XREAD": ((*ALLOWED, "-xread"), "XREAD of fluxkeep:*"),
    "no transactions": ((*ALLOWED, "-@transaction"), "MULTI, EXEC or WATCH"),
    "no blocking commands": ((*ALLOWED, "-@blocking"), "of "),
    "no SCAN": ((*ALLOWED, "-scan"), "SCAN"),
    "only our keys": (("~fluxkeep:*", "+@all", "-@dangerous", "+info"), "HSET of rq:*"),
    "keys of others": (("~cache:*", "~fluxkeep:barrier", "+@all"), "EVAL of fluxkeep:*"),
}


def create_limited_user(redis: Redis, server: RedisServer, rules: tuple[str, ...]) -> str:
    """The URL of a user of Redis who has these rights."""
    client: Any = redis
    client.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">secret", *rules)
    return f"redis://limited:secret@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize(("rules", "command"), REFUSED.values(), ids=REFUSED)
def test_a_user_without_a_right_that_is_needed_is_named_before_the_start(
    build_context: BuildContext,
    redis: Redis,
    redis_server: RedisServer,
    rules: tuple[str, ...],
    command: str,
) -> None:
    context = build_context(create_limited_user(redis, redis_server, rules))
    results = list(checks.check(context))
    assert context.redis_answers, results
    (result,) = checks.check_commands(context)
    assert not result.ok and command in result.why, result.why
    assert "ACL SETUSER" in result.remedy


@pytest.mark.parametrize("rules", [ALLOWED, ("~*", "+@all", "-config", "-function", "-@admin")])
def test_a_user_with_the_rights_that_are_needed_passes(
    build_context: BuildContext, redis: Redis, redis_server: RedisServer, rules: tuple[str, ...]
) -> None:
    context = build_context(create_limited_user(redis, redis_server, rules))
    context.redis_answers = True
    assert not list(checks.check_commands(context))
    assert not list(redis.scan_iter("*probe*"))


def test_a_full_redis_refuses_no_command(context: Context, redis_server: RedisServer) -> None:
    redis_server.set_maxmemory(1)
    context.redis_answers = True
    assert not list(checks.check_commands(context))
