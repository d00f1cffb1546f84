"""Lua 5.1 as Redis runs it: `redis.call`, `redis.pcall`, and the conversion of replies."""

from collections.abc import Callable
from typing import Any

from lupa import lua51

from tests.simulation.redis_data import ReplyError

Reply = Any


def create_runtime(call: Callable[..., Any]) -> Any:
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


def from_lua(value: Any) -> Reply:
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
        items.append(from_lua(value[n]))
        n += 1
    return items
