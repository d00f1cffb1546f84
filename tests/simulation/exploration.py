"""Search for a schedule that violates an invariant: all with few deviations, then random ones."""

from collections.abc import Callable, Iterator

from tests.simulation.scheduler import Chooser
from tests.simulation.world import Outcome, World

MakeWorld = Callable[[Chooser], World]


def systematic(make: MakeWorld, positions: int) -> Iterator[Outcome]:
    """Every run that deviates once from the plain schedule within its first choices.

    A deviation lets another process go on, or kills or stalls the one at work.
    """
    plain = make(Chooser(0, boldness=0.0)).run()
    yield plain
    for at, (_, alternatives) in enumerate(plain.choices[:positions]):
        for other in range(1, alternatives):
            yield make(Chooser(0, [0] * at + [other], boldness=0.0)).run()


def seeded(make: MakeWorld, seeds: range) -> Iterator[Outcome]:
    """Runs with random deviations, one for each seed."""
    for seed in seeds:
        yield make(Chooser(seed)).run()


def first_violation(outcomes: Iterator[Outcome]) -> Outcome | None:
    """The first run that violates an invariant."""
    return next((one for one in outcomes if one.world.violations), None)


def shortened(make: MakeWorld, failing: Outcome) -> Outcome:
    """A run with as few deviations as possible that still violates an invariant."""
    choices = [index for index, _ in failing.choices]
    for at in [n for n, index in enumerate(choices) if index]:
        fewer = [*choices[:at], 0, *choices[at + 1 :]]
        outcome = make(Chooser(0, fewer, boldness=0.0)).run()
        if outcome.world.violations:
            choices, failing = fewer, outcome
    return failing


def report(failing: Outcome) -> str:
    """The violations and the trace that leads to them."""
    return "\n".join([*failing.world.violations, *failing.trace])
