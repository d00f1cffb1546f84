"""The search with fresh seeds finds what is there, says how to see it again, and keeps nothing."""

import gc
import weakref
from functools import partial

import pytest

from tests.simulation import search
from tests.simulation.redis_model import Flaws
from tests.simulation.scheduler import Chooser
from tests.simulation.world import Faults, World

FLAWED = "without the set of due jobs"


def test_a_violation_is_printed_with_its_seed_and_trace(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    flawed = partial(World, Faults(kills=1), flaws=Flaws(lost_keys=b"fluxkeep:due"))
    monkeypatch.setitem(search.SITUATIONS, FLAWED, flawed)
    monkeypatch.setattr(search, "SHORTEN_SECONDS", 0.1)
    assert search.search(1.0, [FLAWED]) == 1
    printed = capfd.readouterr().out
    assert f"{FLAWED}, --seed " in printed and "I3: in due are" in printed
    seed = int(printed.split("--seed ")[1].split(":")[0])
    assert "I3: in due are" in search.run(search.Schedule(FLAWED, seed))


def test_without_a_finding_it_ends_in_time_with_0(capfd: pytest.CaptureFixture[str]) -> None:
    assert search.search(0.5, ["plain: no callback"]) == 0
    assert "0 findings" in capfd.readouterr().out


def test_a_seed_draws_the_same_faults_again() -> None:
    assert repr(search.drawn(5)) == repr(search.drawn(5))
    assert len({repr(search.drawn(seed)) for seed in range(50)}) > 40


def test_a_run_leaves_nothing_in_memory() -> None:
    """Its processes are suspended somewhere, and the collector does not see what they hold."""
    outcome = search.SITUATIONS["plain: kills and stalls"](Chooser(1)).run()
    world = weakref.ref(outcome.world)
    del outcome
    gc.collect()
    assert world() is None
