"""Search for a schedule that violates an invariant: all with few deviations, then random ones."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.simulation.redis_model import Flaws
from tests.simulation.scheduler import Chooser
from tests.simulation.world import Outcome, World

MakeWorld = Callable[[Chooser], World]
SHORTEN_SECONDS = 15.0
SEEDS_FOR_FLAWS = range(150)
SECONDS_TO_FIND = 60.0  # of a processor: a busy machine gives us a share of one
SHORTEN_FLAW_SECONDS = 0.1  # of a trace that nobody reads unless they run this alone


def systematic(make: MakeWorld, positions: int) -> Iterator[Outcome]:
    """Every run that deviates once from the plain schedule within its first choices.

    A deviation lets another process go on, or kills or stalls the one at work.
    """
    plain = make(Chooser(0, boldness=0.0)).run()
    yield plain
    for at, (_, alternatives) in enumerate(plain.choices[:positions]):
        for other in range(1, alternatives):
            yield make(Chooser(0, [0] * at + [other], boldness=0.0)).run()


def seeded(make: MakeWorld, seeds: Iterable[int]) -> Iterator[Outcome]:
    """Runs with random deviations, one for each seed."""
    for seed in seeds:
        yield make(Chooser(seed)).run()


def first_violation(outcomes: Iterator[Outcome]) -> Outcome | None:
    """The first run that violates an invariant."""
    return next((one for one in outcomes if one.world.violations), None)


def shortened(make: MakeWorld, failing: Outcome, seconds: float = SHORTEN_SECONDS) -> Outcome:
    """A run with few deviations that still violates an invariant, by delta debugging.

    It drops half of the deviations, a quarter, and so on down to single ones.
    """
    until = time.monotonic() + seconds
    size = len(_deviations(failing))
    while size and time.monotonic() < until:
        size //= 2
        failing = _without_chunks(make, failing, max(size, 1), until)
    return failing


def _without_chunks(make: MakeWorld, failing: Outcome, size: int, until: float) -> Outcome:
    at = 0
    while at < len(_deviations(failing)) and time.monotonic() < until:
        dropped = _deviations(failing)[at : at + size]
        choices = [0 if n in dropped else index for n, (index, _) in enumerate(failing.choices)]
        outcome = make(Chooser(failing.seed, choices, boldness=0.0)).run()
        if outcome.world.violations:
            failing = outcome
        else:
            at += size
    return failing


def _deviations(outcome: Outcome) -> list[int]:
    return [n for n, (index, _) in enumerate(outcome.choices) if index]


def report(make: MakeWorld, failing: Outcome, seconds: float = SHORTEN_SECONDS) -> str:
    """The violations, and the shortest trace found that leads to one of them."""
    shorter = shortened(make, failing, seconds)
    found = min(failing, shorter, key=lambda outcome: len(outcome.trace))
    origin = f"seed {failing.seed}, {len(found.trace)} of {len(failing.trace)} steps are needed:"
    return "\n".join([*found.world.violations, origin, *found.trace])


@dataclass(frozen=True)
class Protection:
    """One protection, the invariants that may break without it, and how it is taken out."""

    breaks: str | tuple[str, ...]
    situation: partial[Any]
    flaws: Flaws = field(default_factory=Flaws)
    sql: tuple[str, str] = ("", "")
    patch: tuple[Any, str, Any] | None = None
    # The seed that found it last: tried first, as a search from 0 may take a minute. Any change of
    # the order of choices can make it useless; then the search finds another one.
    first_seed: int = 0

    def assert_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The simulation notices that it is not there."""
        make = partial(self.situation, flaws=self.flaws)
        if any(self.sql):
            make = partial(make, sql_flaw=self.sql)
        if self.patch:
            monkeypatch.setattr(*self.patch, raising=False)
        began = time.process_time()
        found = first_violation(seeded(make, [self.first_seed, *SEEDS_FOR_FLAWS]))
        assert found is not None
        trace = report(make, found, SHORTEN_FLAW_SECONDS)
        print(f"after {time.process_time() - began:.1f} s:\n{trace}")  # noqa: T201 - by pytest -s
        assert trace.startswith(self.breaks), trace
        assert time.process_time() - began < SECONDS_TO_FIND
