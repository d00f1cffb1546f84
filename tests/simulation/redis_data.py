"""The data of the model of Redis, and its commands for strings, hashes, sets and lists."""

from typing import Any


class ReplyError(Exception):
    """An error reply; its text begins with the error's code."""


class RedisData:
    """Values are bytes, dict (hash), list, set and SortedSet."""

    now: float
    data: dict[bytes, Any]
    expiry: dict[bytes, float]

    def _typed(self, key: bytes, kind: type[Any]) -> Any:
        value = self.data.setdefault(key, kind())
        if not isinstance(value, kind):
            raise ReplyError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _drop_if_empty(self, key: bytes) -> None:
        if key in self.data and not self.data[key]:
            del self.data[key]
            self.expiry.pop(key, None)

    # Keys and strings.

    def _get(self, key: bytes) -> bytes | None:
        return self.data.get(key)

    def _scan(self, _cursor: bytes, _match: bytes, prefix: bytes, *_count: bytes) -> list[Any]:
        return [b"0", [key for key in self.data if key.startswith(prefix.removesuffix(b"*"))]]

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

    def _exists(self, *keys: bytes) -> int:
        return sum(key in self.data for key in keys)

    def _expire(self, key: bytes, seconds: bytes) -> int:
        if key not in self.data:
            return 0
        self.expiry[key] = self.now + int(seconds)
        return 1

    def _ttl(self, key: bytes) -> int:
        if key not in self.data:
            return -2
        return round(self.expiry[key] - self.now) if key in self.expiry else -1

    # Hashes.

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        found: bytes | None = self.data.get(key, {}).get(field)
        return found

    def _hexists(self, key: bytes, field: bytes) -> int:
        return int(field in self.data.get(key, {}))

    def _hgetall(self, key: bytes) -> list[bytes]:
        return [word for pair in self.data.get(key, {}).items() for word in pair]

    def _hvals(self, key: bytes) -> list[bytes]:
        return list(self.data.get(key, {}).values())

    def _hset(self, key: bytes, *pairs: bytes) -> int:
        fields = self._typed(key, dict)
        new = [name for name in pairs[::2] if name not in fields]
        fields.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(new)

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

    def _scard(self, key: bytes) -> int:
        return len(self.data.get(key, set()))

    def _rpush(self, key: bytes, *values: bytes) -> int:
        found = self._typed(key, list)
        found.extend(values)
        return len(found)

    def _lpop(self, key: bytes) -> bytes | None:
        found = self.data.get(key)
        value: bytes | None = found.pop(0) if found else None
        self._drop_if_empty(key)
        return value

    def _llen(self, key: bytes) -> int:
        return len(self.data.get(key, []))

    def _lrange(self, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
        return slice_of(self.data.get(key, []), int(start), int(stop))


def slice_of(items: list[Any], start: int, stop: int) -> list[Any]:
    size = len(items)
    first = max(start + size, 0) if start < 0 else start
    last = stop + size if stop < 0 else stop
    return items[first : last + 1]
