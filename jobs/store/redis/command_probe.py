"""Probe of the commands and keys that Fluxkeep uses: an ACL or a provider may refuse some.

It runs them, on keys of its own. Asking the server what it allows would need a further right.
"""

from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from jobs.store.redis import scripts
from jobs.store.redis.keys import ACL_RULES, PROBE_PREFIX, RQ_PROBE_PREFIX
from jobs.store.redis.outages import unavailable

__all__ = ("ACL_RULES", "refused_command")

_UNKNOWN = "unknown command"
PROBE_SECONDS = 60  # what is left by a probe that was cut ends by itself


@unavailable()
def refused_command(redis: Redis) -> str | None:
    """A command that Redis refuses, with its keys; None if it takes all. Raises StoreUnavailable.

    A write that only a full memory refuses is taken.
    """
    text = PROBE_PREFIX + "string"
    hash_key = PROBE_PREFIX + "hash"
    sorted_set = PROBE_PREFIX + "sorted_set"
    set_key = PROBE_PREFIX + "set"
    list_key = PROBE_PREFIX + "list"
    stream = PROBE_PREFIX + "stream"
    rq_hash = RQ_PROBE_PREFIX + "hash"
    rq_set = RQ_PROBE_PREFIX + "set"
    rq_list = RQ_PROBE_PREFIX + "list"
    lua = scripts.read("probe_commands")
    keys_of_script = [text, hash_key, sorted_set, set_key, list_key, stream]
    script = redis.register_script(lua)
    commands: list[tuple[Any, ...]] = [
        ("EVAL", lua, len(keys_of_script), *keys_of_script),
        ("SCRIPT LOAD", lua),
        ("EVALSHA", script.sha, len(keys_of_script), *keys_of_script),
        ("SET", text, "1", "EX", PROBE_SECONDS),
        ("GET", text),
        ("EXISTS", text),
        ("MGET", text),
        ("HSET", hash_key, "a", "1"),
        ("HGET", hash_key, "a"),
        ("HMGET", hash_key, "a"),
        ("HEXISTS", hash_key, "a"),
        ("HGETALL", hash_key),
        ("HDEL", hash_key, "a"),
        ("ZADD", sorted_set, "1", "a"),
        ("ZRANGE", sorted_set, "0", "0"),
        ("ZREVRANGE", sorted_set, "0", "0"),
        ("ZRANGEBYSCORE", sorted_set, "0", "1"),
        ("ZCARD", sorted_set),
        ("ZSCORE", sorted_set, "a"),
        ("ZCOUNT", sorted_set, "0", "1"),
        ("ZSCAN", sorted_set, "0"),
        ("ZREMRANGEBYSCORE", sorted_set, "2", "3"),
        ("ZREM", sorted_set, "a"),
        ("SADD", set_key, "a"),
        ("SMEMBERS", set_key),
        ("SREM", set_key, "a"),
        ("RPUSH", list_key, "a"),
        ("LRANGE", list_key, "0", "0"),
        ("LLEN", list_key),
        ("XADD", stream, "MAXLEN", "~", "10", "*", "a", "1"),
        ("XRANGE", stream, "-", "+", "COUNT", "1"),
        ("XREVRANGE", stream, "+", "-", "COUNT", "1"),
        ("XREAD", "COUNT", "1", "STREAMS", stream, "0"),
        ("XLEN", stream),
        ("EXPIRE", stream, PROBE_SECONDS),
        ("DEL", text, hash_key, sorted_set, set_key, list_key, stream),
        ("TIME",),
        ("SCAN", "0", "COUNT", "1"),
        # Those of RQ, whose keys have names of their own.
        ("HSET", rq_hash, "a", "1"),
        ("HGETALL", rq_hash),
        ("SADD", rq_set, "a"),
        ("SREM", rq_set, "a"),
        ("RPUSH", rq_list, "a"),
        ("LMOVE", rq_list, rq_list, "LEFT", "RIGHT"),
        ("BLMOVE", rq_list, rq_list, "LEFT", "RIGHT", "1"),
        ("LREM", rq_list, "1", "a"),
        ("DEL", rq_hash, rq_set, rq_list),
    ]
    refused = _first_refused(redis, commands)
    if refused is not None:
        return refused
    return _refused_transaction(redis, rq_set)


def _first_refused(redis: Redis, commands: list[tuple[Any, ...]]) -> str | None:
    with redis.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        replies = pipe.execute(raise_on_error=False)
    for command, reply in zip(commands, replies, strict=True):
        if _is_refusal(reply):
            return _describe(command)
        if command[0] == "EVAL" and isinstance(reply, bytes) and reply:
            return f"{reply.decode()} in a script"
        if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
            raise reply
    return None


def _refused_transaction(redis: Redis, key: str) -> str | None:
    """RQ's writes are transactions."""

    def delete(pipe: Any) -> None:
        pipe.multi()
        pipe.delete(key)

    try:
        redis.transaction(delete, key)
    except ResponseError as error:
        if _is_refusal(error):
            return "MULTI, EXEC or WATCH"
    return None


def _is_refusal(reply: Any) -> bool:
    is_unknown = isinstance(reply, ResponseError) and _UNKNOWN in str(reply).lower()
    return is_unknown or isinstance(reply, NoPermissionError)


def _describe(command: tuple[Any, ...]) -> str:
    """The command with its key, whose beginning an ACL allows or not."""
    name = str(command[0])
    for word in command[1:]:
        if str(word).startswith(_PROBE_PREFIXES):
            namespace, _, _ = str(word).partition(":")
            return f"{name} of {namespace}:*"
    return name


_PROBE_PREFIXES = (PROBE_PREFIX, RQ_PROBE_PREFIX)
