"""Sorted sets as Redis orders them, by score and then by member, and their commands."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.simulation.redis_data import RedisData, slice_of

FLAGS = (b"XX", b"NX", b"GT", b"LT", b"CH", b"INCR")


class Bound(NamedTuple):
    """One end of a range of scores."""

    score: float
    exclusive: bool


class SortedSet(dict[bytes, float]):
    """Scores by member."""

    def ordered(self) -> list[tuple[bytes, float]]:
        """Members with their scores in ascending order."""
        return sorted(self.items(), key=lambda pair: (pair[1], pair[0]))

    def between(self, low: Bound, high: Bound) -> list[tuple[bytes, float]]:
        """The part of the order that lies within both bounds."""
        return [
            (member, score)
            for member, score in self.ordered()
            if (score > low.score if low.exclusive else score >= low.score)
            and (score < high.score if high.exclusive else score <= high.score)
        ]


def bound(text: bytes) -> Bound:
    """A bound in Redis's notation: `-inf`, `5`, `(5`."""
    exclusive = text.startswith(b"(")
    return Bound(float(text.removeprefix(b"(")), exclusive)


class SortedSetCommands(RedisData):
    """Sorted sets, in Redis's order."""

    def _zset(self, key: bytes) -> SortedSet:
        found = self.data.get(key)
        return found if isinstance(found, SortedSet) else SortedSet()

    def _zadd(self, key: bytes, *words: bytes) -> int | bytes | None:
        """With INCR the new score is answered, or None where the flags forbid it."""
        flags, rest = _flags(words)
        found: SortedSet = self._typed(key, SortedSet)
        added, score = 0, None
        for given, member in zip(rest[::2], rest[1::2], strict=True):
            known = found.get(member)
            at = float(given) + (known or 0.0 if b"INCR" in flags else 0.0)
            if not _may_set(flags, known, at):
                continue
            found[member] = at
            added, score = added + (known is None), _score(at)
        self._drop_if_empty(key)
        return score if b"INCR" in flags else added

    def _zrem(self, key: bytes, *members: bytes) -> int:
        found = self._zset(key)
        removed = sum(found.pop(member, None) is not None for member in members)
        self._drop_if_empty(key)
        return removed

    def _zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> int:
        gone = self._zset(key).between(bound(low), bound(high))
        return self._zrem(key, *(member for member, _ in gone))

    def _zscan(self, key: bytes, _cursor: bytes, *_options: bytes) -> list[Any]:
        """All of it at once, as a real server answers for a small set."""
        return [b"0", _flat(self._zset(key).ordered(), with_scores=True)]

    def _zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = self._zset(key).get(member)
        return None if score is None else _score(score)

    def _zcard(self, key: bytes) -> int:
        return len(self._zset(key))

    def _zcount(self, key: bytes, low: bytes, high: bytes) -> int:
        return len(self._zset(key).between(bound(low), bound(high)))

    def _zrange(self, key: bytes, start: bytes, stop: bytes, *options: bytes) -> list[bytes]:
        pairs = slice_of(self._zset(key).ordered(), int(start), int(stop))
        return _flat(pairs, with_scores=b"WITHSCORES" in [word.upper() for word in options])

    def _zrevrange(self, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
        pairs = slice_of(self._zset(key).ordered()[::-1], int(start), int(stop))
        return _flat(pairs, with_scores=False)

    def _zremrangebyrank(self, key: bytes, start: bytes, stop: bytes) -> int:
        gone = slice_of(self._zset(key).ordered(), int(start), int(stop))
        return self._zrem(key, *(member for member, _ in gone))

    def _zrangebyscore(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[bytes]:
        pairs = self._zset(key).between(bound(low), bound(high))
        words = [word.upper() for word in options]
        return _flat(_limited(pairs, words), with_scores=b"WITHSCORES" in words)

    def _zrevrangebyscore(
        self, key: bytes, high: bytes, low: bytes, *options: bytes
    ) -> list[bytes]:
        pairs = self._zset(key).between(bound(low), bound(high))[::-1]
        words = [word.upper() for word in options]
        return _flat(_limited(pairs, words), with_scores=b"WITHSCORES" in words)


def _limited(pairs: list[tuple[bytes, float]], words: list[bytes]) -> list[tuple[bytes, float]]:
    if b"LIMIT" not in words:
        return pairs
    offset, count = map(int, words[words.index(b"LIMIT") + 1 :][:2])
    return pairs[offset : None if count < 0 else offset + count]


def _flags(words: Sequence[bytes]) -> tuple[set[bytes], Sequence[bytes]]:
    """The flags of ZADD, and its scores and members."""
    n = 0
    while words[n].upper() in FLAGS:
        n += 1
    return {word.upper() for word in words[:n]}, words[n:]


def _may_set(flags: set[bytes], known: float | None, at: float) -> bool:
    if known is None:
        return b"XX" not in flags
    if b"NX" in flags:
        return False
    return not (b"GT" in flags and at <= known) and not (b"LT" in flags and at >= known)


def _score(score: float) -> bytes:
    return b"%d" % score if score == int(score) else repr(score).encode()


def _flat(pairs: Sequence[tuple[bytes, float]], *, with_scores: bool) -> list[bytes]:
    if with_scores:
        return [word for member, score in pairs for word in (member, _score(score))]
    return [member for member, _ in pairs]
