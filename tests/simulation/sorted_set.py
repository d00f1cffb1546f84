"""A sorted set as Redis orders it: by score, then by member."""

from typing import NamedTuple


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
