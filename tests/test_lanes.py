"""Whose turn it is to be told: a slow or dead host holds up nobody but itself."""

import threading

from jobs.target import Target
from tests.harness.patience import wait_for
from worker.lanes import PER_HOST_MAX, SLOW_MAX, WAITING_MAX, Errand, Lanes


def errand(host: str, n: int = 0) -> Errand:
    return Errand(host, f"{host}-{n}", Target.APP)


def lanes(*errands: Errand) -> Lanes:
    found = Lanes()
    for one in errands:
        found.put(one)
    return found


def sent_out(found: Lanes) -> list[Errand]:
    """All that may be run at once."""
    out: list[Errand] = []
    while one := found._whose_turn():  # noqa: SLF001 - `next` would wait for more
        out.append(one)
    return out


def prove_quick(found: Lanes, host: str) -> None:
    found.put(errand(host, -1))
    (one,) = sent_out(found)
    found.done(one, 0.01)


def test_an_unknown_host_is_called_once_before_it_is_called_in_parallel() -> None:
    found = lanes(*(errand("new", n) for n in range(10)))
    (first,) = sent_out(found)
    found.done(first, 0.1)
    assert len(sent_out(found)) == PER_HOST_MAX


def test_slow_hosts_together_leave_half_of_the_senders_to_the_others() -> None:
    found = Lanes()
    prove_quick(found, "quick")
    for n in range(50):
        found.put(errand(f"slow{n}"))
    assert len(sent_out(found)) == SLOW_MAX
    found.put(errand("quick"))
    assert sent_out(found) == [errand("quick")]


def test_a_host_that_has_become_slow_is_called_one_by_one() -> None:
    found = Lanes()
    prove_quick(found, "a")
    for n in range(5):
        found.put(errand("a", n))
    for one in sent_out(found):
        found.done(one, 20.0)
    found.put(errand("a", 9))
    assert len(sent_out(found)) == 1


def test_hosts_take_turns() -> None:
    found = Lanes()
    for host in ("a", "b"):
        prove_quick(found, host)
    for n in range(3):
        found.put(errand("a", n))
    found.put(errand("b"))
    assert [one.host for one in sent_out(found)][:2] == ["a", "b"]


def test_more_of_one_host_than_can_wait_here_stay_in_redis() -> None:
    found = lanes(*(errand("a", n) for n in range(WAITING_MAX)))
    assert not found.has_room("a")
    assert found.has_room("b")


def test_the_same_errand_waits_once() -> None:
    found = lanes(errand("a"), errand("a"))
    (one,) = sent_out(found)
    found.done(one, None)
    assert sent_out(found) == []


def test_who_was_not_called_has_proved_nothing() -> None:
    found = lanes(*(errand("a", n) for n in range(5)))
    (one,) = sent_out(found)
    found.done(one, None)
    assert len(sent_out(found)) == 1


def test_senders_are_let_go_when_the_lanes_close() -> None:
    found, seen = Lanes(), []
    sender = threading.Thread(target=lambda: seen.append(found.next()))
    sender.start()
    found.close()
    sender.join(5)
    wait_for("it has left", lambda: seen == [None])
