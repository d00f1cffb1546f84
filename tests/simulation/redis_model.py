"""A model of a Redis server: the commands and Lua that the store uses, in one thread."""

import copy
import fnmatch
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any, NamedTuple

from lupa import lua51

from tests.simulation.sorted_set import SortedSet, bound

Reply = Any


class ReplyError(Exception):
    """An error reply; its text begins with the error's code."""


class Flaws(NamedTuple):
    """Protections taken out on purpose: text replaced in scripts, keys whose writes are lost."""

    lua: tuple[bytes, bytes] = (b"", b"")
    lost_keys: bytes = b""


class RedisModel:
    """One database with a clock that only the simulation advances.

    Values are bytes, dict (hash), list, set and SortedSet; streams are lists of (id, fields).
    """

    def __init__(self, now: float, *, flaws: Flaws | None = None) -> None:
        self.now = now
        self.flaws = flaws or Flaws()
        self.data: dict[bytes, Any] = {}
        self.expiry: dict[bytes, float] = {}
        self.read_only = False
        self._scripts: dict[bytes, Callable[..., Any]] = {}
        self._names: dict[bytes, str] = {}
        self._lua = _lua(self._call)

    def execute(self, command: Sequence[bytes]) -> Reply:
        """Run one command. Raises ReplyError."""
        name = command[0].decode().upper()
        handler = getattr(self, f"_{name.lower()}", None)
        if handler is None:
            raise ReplyError(f"ERR unknown command '{name}'")
        self._purge_expired()
        lost = self.flaws.lost_keys
        if lost and name in ("ZADD", "SET") and command[1].startswith(lost):
            return 0
        return handler(*command[1:])

    def describe(self, words: Sequence[bytes]) -> str:
        """A command in short, for a trace; a script by its first line of comment."""
        if words[0] == b"EVALSHA":
            return self._names.get(words[1], "a script that is not loaded")
        return " ".join(word[:24].decode(errors="replace") for word in words[:2])

    def snapshot(self) -> tuple[dict[bytes, Any], dict[bytes, float]]:
        """The data as they are now, for `restore`."""
        return copy.deepcopy(self.data), dict(self.expiry)

    def restore(self, snapshot: tuple[dict[bytes, Any], dict[bytes, float]]) -> None:
        """Go back to a snapshot, as a failover does that loses the latest writes."""
        data, expiry = snapshot
        self.data, self.expiry = copy.deepcopy(data), dict(expiry)

    def _purge_expired(self) -> None:
        for key in [key for key, at in self.expiry.items() if at <= self.now]:
            self.data.pop(key, None)
            del self.expiry[key]

    def _typed(self, key: bytes, kind: type[Any]) -> Any:
        value = self.data.setdefault(key, kind())
        if not isinstance(value, kind):
            raise ReplyError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _drop_if_empty(self, key: bytes) -> None:
        if key in self.data and not self.data[key]:
            del self.data[key]
            self.expiry.pop(key, None)

    # Server and scripts.

    def _time(self) -> list[bytes]:
        micros = round(self.now * 1e6)
        return [b"%d" % (micros // 1_000_000), b"%d" % (micros % 1_000_000)]

    def _ping(self) -> bytes:
        return b"PONG"

    def _client(self, *_words: bytes) -> bytes:
        return b"OK"

    def _select(self, _database: bytes) -> bytes:
        return b"OK"

    def _info(self, *_section: bytes) -> bytes:
        return b"redis_version:7.2.0\r\nrole:master\r\n"

    def _wait(self, _replicas: bytes, _milliseconds: bytes) -> int:
        return 0

    def _publish(self, _channel: bytes, _message: bytes) -> int:
        return 0

    def _script(self, _load: bytes, source: bytes) -> bytes:
        digest = sha1(source, usedforsecurity=False).hexdigest().encode()
        old, new = self.flaws.lua
        text = source.replace(old, new) if old else source
        self._names[digest] = _title(source)
        self._scripts[digest] = self._lua.eval(b"function(KEYS, ARGV)\n" + text + b"\nend")
        return digest

    def _eval(self, source: bytes, *words: bytes) -> Reply:
        return self._evalsha(self._script(b"LOAD", source), *words)

    def _evalsha(self, digest: bytes, count: bytes, *words: bytes) -> Reply:
        script = self._scripts.get(digest)
        if script is None:
            raise ReplyError("NOSCRIPT No matching script")
        keys, args = words[: int(count)], words[int(count) :]
        before = self.snapshot() if self.read_only else None
        try:
            answer = script(self._lua.table(*keys), self._lua.table(*args))
        except lua51.LuaError as error:
            if before:
                self.restore(before)
            raise ReplyError(_first_line(error)) from None
        return _from_lua(answer)

    def _call(self, *words: Any) -> Any:
        return self.execute([_bytes(word) for word in words])

    # Keys and strings.

    def _get(self, key: bytes) -> bytes | None:
        return self.data.get(key)

    def _mget(self, *keys: bytes) -> list[bytes | None]:
        return [self.data.get(key) for key in keys]

    def _set(self, key: bytes, value: bytes, *options: bytes) -> bytes | None:
        words = [option.upper() for option in options]
        if b"NX" in words and key in self.data:
            return None
        self.data[key] = value
        self.expiry.pop(key, None)
        for unit, scale in ((b"EX", 1.0), (b"PX", 1000.0)):
            if unit in words:
                self.expiry[key] = self.now + int(words[words.index(unit) + 1]) / scale
        return b"OK"

    def _del(self, *keys: bytes) -> int:
        found = [key for key in keys if key in self.data]
        for key in found:
            del self.data[key]
            self.expiry.pop(key, None)
        return len(found)

    _unlink = _del

    def _exists(self, *keys: bytes) -> int:
        return sum(key in self.data for key in keys)

    def _expire(self, key: bytes, seconds: bytes) -> int:
        return self._expire_in(key, int(seconds))

    def _expire_in(self, key: bytes, seconds: float) -> int:
        if key not in self.data:
            return 0
        self.expiry[key] = self.now + seconds
        return 1

    def _pexpire(self, key: bytes, milliseconds: bytes) -> int:
        return self._expire_in(key, int(milliseconds) / 1000)

    def _persist(self, key: bytes) -> int:
        return int(self.expiry.pop(key, None) is not None)

    def _ttl(self, key: bytes) -> int:
        if key not in self.data:
            return -2
        return round(self.expiry[key] - self.now) if key in self.expiry else -1

    def _incr(self, key: bytes) -> int:
        value = int(self.data.get(key, b"0")) + 1
        self.data[key] = b"%d" % value
        return value

    def _scan(self, _cursor: bytes, *words: bytes) -> list[Any]:
        options = dict(zip(words[::2], words[1::2], strict=True))
        pattern = options.get(b"MATCH", b"*").decode()
        return [b"0", [key for key in self.data if fnmatch.fnmatchcase(key.decode(), pattern)]]

    # Hashes.

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        found: bytes | None = self.data.get(key, {}).get(field)
        return found

    def _hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        return [self._hget(key, field) for field in fields]

    def _hgetall(self, key: bytes) -> list[bytes]:
        return [word for pair in self.data.get(key, {}).items() for word in pair]

    def _hvals(self, key: bytes) -> list[bytes]:
        return list(self.data.get(key, {}).values())

    def _hlen(self, key: bytes) -> int:
        return len(self.data.get(key, {}))

    def _hset(self, key: bytes, *pairs: bytes) -> int:
        fields = self._typed(key, dict)
        new = [name for name in pairs[::2] if name not in fields]
        fields.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(new)

    _hmset = _hset

    def _hdel(self, key: bytes, *fields: bytes) -> int:
        found = self._typed(key, dict)
        removed = sum(found.pop(field, None) is not None for field in fields)
        self._drop_if_empty(key)
        return removed

    def _hincrby(self, key: bytes, field: bytes, by: bytes) -> int:
        fields = self._typed(key, dict)
        value = int(fields.get(field, b"0")) + int(by)
        fields[field] = b"%d" % value
        return value

    # Sets and lists.

    def _sadd(self, key: bytes, *members: bytes) -> int:
        found = self._typed(key, set)
        new = set(members) - found
        found |= new
        return len(new)

    def _srem(self, key: bytes, *members: bytes) -> int:
        found = self._typed(key, set)
        gone = found & set(members)
        found -= gone
        self._drop_if_empty(key)
        return len(gone)

    def _smembers(self, key: bytes) -> list[bytes]:
        return sorted(self.data.get(key, set()))

    def _sismember(self, key: bytes, member: bytes) -> int:
        return int(member in self.data.get(key, set()))

    def _scard(self, key: bytes) -> int:
        return len(self.data.get(key, set()))

    def _rpush(self, key: bytes, *values: bytes) -> int:
        found = self._typed(key, list)
        found.extend(values)
        return len(found)

    def _lpush(self, key: bytes, *values: bytes) -> int:
        found = self._typed(key, list)
        found[:0] = reversed(values)
        return len(found)

    def _lpop(self, key: bytes) -> bytes | None:
        found = self.data.get(key)
        value: bytes | None = found.pop(0) if found else None
        self._drop_if_empty(key)
        return value

    def _lrem(self, key: bytes, count: bytes, value: bytes) -> int:
        found, removed = self.data.get(key, []), 0
        while value in found and (removed < abs(int(count)) or int(count) == 0):
            found.remove(value)
            removed += 1
        self._drop_if_empty(key)
        return removed

    def _llen(self, key: bytes) -> int:
        return len(self.data.get(key, []))

    def _lrange(self, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
        return _slice(self.data.get(key, []), int(start), int(stop))

    def _lpos(self, key: bytes, value: bytes) -> int | None:
        found = self.data.get(key, [])
        return found.index(value) if value in found else None

    def _ltrim(self, key: bytes, start: bytes, stop: bytes) -> bytes:
        if key in self.data:
            self.data[key] = _slice(self.data[key], int(start), int(stop))
            self._drop_if_empty(key)
        return b"OK"

    # Sorted sets.

    def _zset(self, key: bytes) -> SortedSet:
        found = self.data.get(key)
        return found if isinstance(found, SortedSet) else SortedSet()

    def _zadd(self, key: bytes, *words: bytes) -> int:
        flags = [word.upper() for word in words[: len(words) % 2 + 2]]
        only_known = b"XX" in flags
        only_new = b"NX" in flags
        rest = [word for word in words if word.upper() not in (b"XX", b"NX", b"CH")]
        found: SortedSet = self._typed(key, SortedSet)
        added = 0
        for score, member in zip(rest[::2], rest[1::2], strict=True):
            known = member in found
            if (only_known and not known) or (only_new and known):
                continue
            found[member] = float(score)
            added += not known
        self._drop_if_empty(key)
        return added

    def _zrem(self, key: bytes, *members: bytes) -> int:
        found = self._zset(key)
        removed = sum(found.pop(member, None) is not None for member in members)
        self._drop_if_empty(key)
        return removed

    def _zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = self._zset(key).get(member)
        return None if score is None else _score(score)

    def _zcard(self, key: bytes) -> int:
        return len(self._zset(key))

    def _zcount(self, key: bytes, low: bytes, high: bytes) -> int:
        return len(self._zset(key).between(bound(low), bound(high)))

    def _zrange(self, key: bytes, start: bytes, stop: bytes, *options: bytes) -> list[bytes]:
        pairs = _slice(self._zset(key).ordered(), int(start), int(stop))
        return _flat(pairs, with_scores=b"WITHSCORES" in [word.upper() for word in options])

    def _zrangebyscore(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[bytes]:
        pairs = self._zset(key).between(bound(low), bound(high))
        return _limited(pairs, options)

    def _zrevrangebyscore(
        self, key: bytes, high: bytes, low: bytes, *options: bytes
    ) -> list[bytes]:
        pairs = self._zset(key).between(bound(low), bound(high))[::-1]
        return _limited(pairs, options)

    def _zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> int:
        gone = [member for member, _ in self._zset(key).between(bound(low), bound(high))]
        return self._zrem(key, *gone) if gone else 0

    # Streams.

    def _xadd(self, key: bytes, *words: bytes) -> bytes:
        fields = words[list(words).index(b"*") + 1 :]
        entries = self._typed(key, list)
        entry = b"%d-%d" % (round(self.now * 1000), len(entries))
        entries.append((entry, list(fields)))
        return entry


def _lua(call: Callable[..., Any]) -> Any:
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True, encoding=None)

    def to_lua(reply: Reply) -> Any:
        if reply is None:
            return False
        if isinstance(reply, list):
            return runtime.table(*(to_lua(one) for one in reply))
        return reply

    def checked(*words: Any) -> Any:
        return to_lua(call(*words))

    def protected(*words: Any) -> Any:
        try:
            return to_lua(call(*words))
        except ReplyError as error:
            return runtime.table_from({b"err": str(error).encode()})

    runtime.globals()[b"redis"] = runtime.table_from({b"call": checked, b"pcall": protected})
    return runtime


def _from_lua(value: Any) -> Reply:
    """Lua to RESP: numbers are cut to integers, false is nil, a table ends at its first nil."""
    if value is None or value is False:
        return None
    if value is True:
        return 1
    if isinstance(value, float):
        return int(value)
    if lua51.lua_type(value) != "table":
        return value
    items, n = [], 1
    while value[n] is not None:
        items.append(_from_lua(value[n]))
        n += 1
    return items


def _bytes(word: Any) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, float):
        return b"%d" % word if word == int(word) else repr(word).encode()
    return str(word).encode()


def _title(source: bytes) -> str:
    comments = [line[3:] for line in source.decode().splitlines() if line.startswith("-- ")]
    return next((line for line in comments if not line.startswith(("version_of", "next_"))), "?")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _score(score: float) -> bytes:
    return b"%d" % score if score == int(score) else repr(score).encode()


def _slice(items: list[Any], start: int, stop: int) -> list[Any]:
    size = len(items)
    first = max(start + size, 0) if start < 0 else start
    last = stop + size if stop < 0 else stop
    return items[first : last + 1]


def _flat(pairs: Sequence[tuple[bytes, float]], *, with_scores: bool) -> list[bytes]:
    if with_scores:
        return [word for member, score in pairs for word in (member, _score(score))]
    return [member for member, _ in pairs]


def _limited(pairs: list[tuple[bytes, float]], options: Sequence[bytes]) -> list[bytes]:
    words = [word.upper() for word in options]
    if b"LIMIT" in words:
        at = words.index(b"LIMIT")
        offset, count = int(words[at + 1]), int(words[at + 2])
        pairs = pairs[offset : None if count < 0 else offset + count]
    return _flat(pairs, with_scores=b"WITHSCORES" in words)
