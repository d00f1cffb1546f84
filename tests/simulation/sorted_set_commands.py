"""Sorted sets as Redis orders them, by score and then by member, and their commands."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.simulation.redis_data import RedisData, slice_of


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
        pairs = slice_of(self._zset(key).ordered(), int(start), int(stop))
        return _flat(pairs, with_scores=b"WITHSCORES" in [word.upper() for word in options])

    def _zrangebyscore(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[bytes]:
        pairs = self._zset(key).between(bound(low), bound(high))
        words = [word.upper() for word in options]
        if b"LIMIT" in words:
            offset, count = map(int, words[words.index(b"LIMIT") + 1 :][:2])
            pairs = pairs[offset : None if count < 0 else offset + count]
        return _flat(pairs, with_scores=b"WITHSCORES" in words)


def _score(score: float) -> bytes:
    return b"%d" % score if score == int(score) else repr(score).encode()


def _flat(pairs: Sequence[tuple[bytes, float]], *, with_scores: bool) -> list[bytes]:
    if with_scores:
        return [word for member, score in pairs for word in (member, _score(score))]
    return [member for member, _ in pairs]
