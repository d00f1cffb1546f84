"""A Redis server in this process: `fakeredis` with the clock, the faults and the speed of a run."""

import copy
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any, NamedTuple

from fakeredis import FakeServer
from fakeredis._core._database import Item
from fakeredis._helpers import SimpleError
from fakeredis._socket import FakeSocket
from fakeredis.commands_mixins.scripting_mixin import _convert_redis_arg
from fakeredis.model import ExpiringMembersSet, Hash, ZSet
from lupa import lua51
from redis import Redis

# Commands that write; a full Redis refuses those of the first line.
NEED_MEMORY = frozenset({"set", "hset", "hincrby", "sadd", "rpush", "zadd", "xadd"})
WRITES = NEED_MEMORY | {"del", "expire", "hdel", "srem", "lpop", "zrem", "zremrangebyscore"}


class Flaws(NamedTuple):
    """Protections taken out on purpose: text replaced in scripts, keys whose writes are lost."""

    lua: tuple[bytes, bytes] = (b"", b"")
    lost_keys: bytes = b""


class Commands(FakeSocket):
    """Commands that depend on the run, and scripts that are compiled once."""

    def __init__(self, model: "RedisModel") -> None:
        super().__init__(FakeServer(version=(7, 4)), 0, client_class=Redis)
        self._server.lock.acquire()  # there is one thread
        self.database, self.compiled = self._db, dict[bytes, Callable[..., Any]]()
        self._model = model
        self._lua = lua51.LuaRuntime(unpack_returned_tuples=True, encoding=None)
        functions = {b"call": self._call, b"pcall": self._call_protected}
        self._lua.globals()[b"redis"] = self._lua.table_from(functions)

    def run(self, words: Sequence[bytes], *, in_script: bool = False) -> Any:
        """The answer, or an error of fakeredis."""
        name, given = words[0].decode().lower(), list(words[1:])
        if name == "info":  # which fakeredis does not know
            if self._model.maxmemory is None:
                raise SimpleError("NOPERM this user has no permissions to run the 'info' command")
            fields = (self._model.used_memory, self._model.maxmemory)
            return b"used_memory:%d\r\nmaxmemory:%d" % fields
        if name == "script":
            name, given = f"script {given[0].decode().lower()}", given[1:]
        function, signature = self._name_to_func(name)
        return self._run_command(function, signature, given, in_script)

    def _run_command(self, func: Any, sig: Any, args: list[Any], from_script: bool) -> Any:
        if self._model.is_full and sig.name in NEED_MEMORY and not self._model.has_written:
            # A script is refused at its first write or not at all.
            return SimpleError("OOM command not allowed when used memory > 'maxmemory'.")
        self._model.has_written |= sig.name in WRITES
        lost = self._model.flaws.lost_keys
        if lost and sig.name in ("zadd", "set") and args[0].startswith(lost):
            return 0
        return super()._run_command(func, sig, args, from_script)

    def time(self) -> list[bytes]:
        return [b"%d" % part for part in divmod(round(self._model.now * 1e6), 1_000_000)]

    def xadd(self, key: Any, *words: bytes) -> Any:
        now = b"%d-*" % round(self._model.now * 1000)
        return super().xadd(key, *(now if word == b"*" else word for word in words))

    def script_load(self, source: bytes) -> bytes:
        digest = sha1(source, usedforsecurity=False).hexdigest().encode()
        if digest not in self.compiled:
            old, new = self._model.flaws.lua
            text = source.replace(old, new) if old else source
            self.compiled[digest] = self._lua.eval(b"function(KEYS, ARGV)\n" + text + b"\nend")
            comments = [line[3:] for line in source.decode().splitlines() if line.startswith("-- ")]
            self._model.names[digest] = next((line for line in comments if line[0].isupper()), "?")
        return digest

    def eval(self, source: bytes, count: int, *words: bytes) -> Any:
        return self.evalsha(self.script_load(source), count, *words)

    def evalsha(self, digest: bytes, count: int, *words: bytes) -> Any:
        if digest not in self.compiled:
            raise SimpleError("NOSCRIPT No matching script. Please use EVAL.")
        keys, given = self._lua.table(*words[:count]), self._lua.table(*words[count:])
        try:
            return self._convert_lua_result(self.compiled[digest](keys, given), nested=False)
        except lua51.LuaError as error:
            raise SimpleError(f"ERR {error}".splitlines()[0]) from None

    def _call(self, *words: Any) -> Any:
        found = self.run([_convert_redis_arg(word) for word in words], in_script=True)
        return self._convert_redis_result(self._lua, found)

    def _call_protected(self, *words: Any) -> Any:
        try:
            return self._call(*words)
        except SimpleError as error:
            return self._lua.table_from({b"err": error.value.encode()})


class RedisModel:
    """One database with a clock that only the simulation advances."""

    def __init__(self, now: float, *, flaws: Flaws | None = None) -> None:
        self.now = now
        self.flaws = flaws or Flaws()
        self.used_memory = 1_000_000
        self.maxmemory: int | None = 0  # None: INFO is forbidden
        self.is_full = False
        self.has_written = False  # the command or script that runs
        self.names: dict[bytes, str] = {}  # of scripts
        self._commands = Commands(self)
        self._data: dict[bytes, Any] | None = None  # as it is since the last command

    def execute(self, words: Sequence[bytes]) -> Any:
        """Run one command of a client; return its answer, or its error as redis-py has it."""
        self._commands.database.time, self.has_written, self._data = self.now, False, None
        try:
            found = self._commands.run(words)
        except SimpleError as error:
            found = error
        return self._commands._decode_result(found)  # noqa: SLF001 - fakeredis has no other way

    @property
    def data(self) -> dict[bytes, Any]:
        """Values by key: bytes, list, set; dict for hashes and for sorted sets, of their scores."""
        if self._data is None:
            items = self._commands.database.items()
            self._data = {key: _plain(item.value) for key, item in items}
        return self._data

    def describe(self, words: Sequence[bytes]) -> str:
        """A command in short, for a trace; a script by its first line of comment."""
        if words[0] == b"EVALSHA":
            return self.names.get(words[1], "a script that is not loaded")
        return " ".join(word[:24].decode(errors="replace") for word in words[:2])

    def snapshot(self) -> dict[bytes, tuple[Any, float | None]]:
        """The data as they are now, for `restore`."""
        items = self._commands.database.items()
        return {key: (copy.deepcopy(item.value), item.expireat) for key, item in items}

    def restore(self, snapshot: dict[bytes, tuple[Any, float | None]]) -> None:
        """Go back to a snapshot, as a failover does that loses the latest writes."""
        self._commands.database.clear()
        self._data = None
        for key, (value, expires_at) in snapshot.items():
            item: Any = Item(copy.deepcopy(value))
            item.expireat = expires_at
            self._commands.database[key] = item


def _plain(value: Any) -> Any:
    if isinstance(value, ZSet):
        return dict(value.items())
    if isinstance(value, Hash):
        return value.getall()
    return {*value} if isinstance(value, ExpiringMembersSet) else value
