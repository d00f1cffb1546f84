"""A model of a Redis server: the commands and Lua that the store uses, in one thread."""

import copy
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any, NamedTuple

from lupa import lua51

from tests.simulation.lua_runtime import Reply, create_runtime, from_lua
from tests.simulation.redis_data import ReplyError
from tests.simulation.sorted_set_commands import SortedSetCommands

# Commands that write; a full Redis refuses those of the first line.
NEED_MEMORY = frozenset({"SET", "HSET", "HINCRBY", "SADD", "RPUSH", "ZADD", "XADD"})
WRITES = NEED_MEMORY | {"DEL", "EXPIRE", "HDEL", "SREM", "LPOP", "ZREM", "ZREMRANGEBYSCORE"}


class Flaws(NamedTuple):
    """Protections taken out on purpose: text replaced in scripts, keys whose writes are lost."""

    lua: tuple[bytes, bytes] = (b"", b"")
    lost_keys: bytes = b""


class RedisModel(SortedSetCommands):
    """One database with a clock that only the simulation advances.

    Values are bytes, dict (hash), list, set and SortedSet; streams are lists of (id, fields).
    """

    def __init__(self, now: float, *, flaws: Flaws | None = None) -> None:
        self.now = now
        self.flaws = flaws or Flaws()
        self.data: dict[bytes, Any] = {}
        self.expiry: dict[bytes, float] = {}
        self.read_only = False
        self.used_memory = 1_000_000
        self.maxmemory: int | None = 0  # None: INFO is forbidden
        self.is_full = False
        self._has_written = False  # by the command or script that runs
        self._scripts: dict[bytes, Callable[..., Any]] = {}
        self._names: dict[bytes, str] = {}
        self._lua = create_runtime(self._call)

    def execute(self, command: Sequence[bytes]) -> Reply:
        """Run one command of a client. Raises ReplyError."""
        self._purge_expired()
        self._has_written = False
        return self._run(command)

    def _run(self, command: Sequence[bytes]) -> Reply:
        name = command[0].decode().upper()
        self._refuse_if_full(name)
        handler = getattr(self, f"_{name.lower()}", None)
        if handler is None:
            raise ReplyError(f"ERR unknown command '{name}'")
        lost = self.flaws.lost_keys
        if lost and name in ("ZADD", "SET") and command[1].startswith(lost):
            return 0
        return handler(*command[1:])

    def _refuse_if_full(self, name: str) -> None:
        """A script is refused at its first write or not at all."""
        if self.is_full and name in NEED_MEMORY and not self._has_written:
            raise ReplyError("OOM command not allowed when used memory > 'maxmemory'.")
        self._has_written |= name in WRITES

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

    # Server and scripts.

    def _time(self) -> list[bytes]:
        micros = round(self.now * 1e6)
        return [b"%d" % (micros // 1_000_000), b"%d" % (micros % 1_000_000)]

    def _info(self, section: bytes) -> bytes:
        if section != b"memory" or self.maxmemory is None:
            raise ReplyError("NOPERM this user has no permissions to run the 'info' command")
        fields = {"used_memory": self.used_memory, "maxmemory": self.maxmemory}
        return "\r\n".join(f"{name}:{value}" for name, value in fields.items()).encode()

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
            raise ReplyError(str(error).splitlines()[0]) from None
        return from_lua(answer)

    def _call(self, *words: Any) -> Any:
        return self._run([_bytes(word) for word in words])

    # Streams.

    def _xadd(self, key: bytes, *words: bytes) -> bytes:
        fields = words[list(words).index(b"*") + 1 :]
        entries = self._typed(key, list)
        entry = b"%d-%d" % (round(self.now * 1000), len(entries))
        entries.append((entry, list(fields)))
        return entry


def _bytes(word: Any) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, float):
        return b"%d" % word if word == int(word) else repr(word).encode()
    return str(word).encode()


def _title(source: bytes) -> str:
    comments = [line[3:] for line in source.decode().splitlines() if line.startswith("-- ")]
    return next((line for line in comments if line[0].isupper()), "?")
