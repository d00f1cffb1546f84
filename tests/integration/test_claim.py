"""Claims: leases, their renewal, and fencing tokens."""

import time
from typing import Any, NamedTuple

import pytest
from redis import Redis

from jobs.domain.job import Job
from jobs.store.job_store import JobStore
from jobs.store.redis.keys import PENDING_RESCUES, RECORD_PREFIX
from tests.harness.reports import call_back, load
from worker import claim as claim_module
from worker.claim import ClaimLost, Claims, HeldClaim


def acquire(store: JobStore, job_id: str = "job") -> HeldClaim:
    claim = HeldClaim.acquire(store, job_id)
    assert claim is not None
    return claim


@pytest.fixture
def claim(store: JobStore) -> HeldClaim:
    """The claim of a rescue."""
    call_back(store, "job")
    return acquire(store)


def with_the_lease_over(job: Job, now: float) -> Job:
    """As the sweep finds it when the lease has run out."""
    return job.with_lease(lease_until=now - 1).recheck(now)


@pytest.mark.parametrize("end", [Job.give_up, lambda job, now: job.refused(now, "x", "y"), None])
def test_what_has_ended_is_not_committed_to(store: JobStore, claim: HeldClaim, end: Any) -> None:
    _ = store.change("job", end) if end else store.delete(claim.job)
    with pytest.raises(ClaimLost):
        claim.commit(lambda job, now: job.stored(now, ()))
    assert bool(store.load("job")) is bool(end)


class Held(NamedTuple):
    """A claim, and those of its process; each check renews the lease if it may."""

    claims: Claims
    claim: HeldClaim
    store: JobStore

    @property
    def lease_until(self) -> float | None:
        return load(self.store).lease.lease_until


@pytest.fixture
def held(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.setattr(claim_module, "RENEW_EVERY_SECONDS", 0.0)
    call_back(store, "job")
    claims, claim = Claims(), acquire(store)
    claims.add(claim)
    return Held(claims, claim, store)


def test_a_lease_is_renewed_while_its_work_makes_progress(held: Held) -> None:
    first = held.lease_until
    held.claim.report_progress()
    assert held.claims.supervise() == [] and not held.claim.is_lost
    assert first and held.lease_until and held.lease_until > first
    held.claims.remove(held.claim)
    last = held.lease_until
    held.claims.supervise()
    assert held.lease_until == last, "its work is over"


def test_work_that_ends_while_another_lease_is_renewed_does_not_hang(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_back(held.store, "slow")
    slow = acquire(held.store, "slow")
    held.claims.add(slow)
    monkeypatch.setattr(slow, "commit", lambda _step: held.claims.discard(held.claim))
    with held.claim.silence(-claim_module.HUNG_SECONDS - 1):
        assert held.claims.supervise() == []


def test_a_lease_is_not_renewed_when_nothing_moves(held: Held) -> None:
    first = held.lease_until
    with held.claim.silence(-1.0):
        assert held.claims.supervise() == [], "its connections are cut, so it may end now"
        assert held.lease_until == first and held.claim.is_lost
    with held.claim.silence(-claim_module.HUNG_SECONDS - 1):
        assert held.claims.supervise() == [held.claim], "only its process can end it"


def test_a_claim_is_not_renewed_for_longer_than_its_url_lives_and_a_minute(
    store: JobStore, claim: HeldClaim, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_at = claim.job.delivery.expire_at or 0.0
    over = time.monotonic() + dies_at - store.now() + claim_module.AFTER_EXPIRY_SECONDS
    monkeypatch.setattr(claim_module, "PROGRESS_SECONDS", over)
    claim.report_progress()
    claim.supervise(over - 1)
    assert not claim.is_lost
    claim.supervise(over + 1)
    assert claim.is_lost


def test_a_silent_step_has_its_time_and_its_end_is_progress(claim: HeldClaim) -> None:
    long = 2 * claim_module.PROGRESS_SECONDS
    with claim.silence(long):
        with claim.silence(1.0):
            pass
        claim.supervise(time.monotonic() + long - 1)
        assert not claim.is_lost, "the step around another one goes on"
    claim.supervise(time.monotonic() + claim_module.PROGRESS_SECONDS - 1)
    assert not claim.is_lost
    with claim.silence(long):
        claim.supervise(time.monotonic() + long + 1)
    assert claim.is_lost


def test_a_process_that_was_paused_ends_no_claim_for_the_time_it_missed(held: Held) -> None:
    with held.claim.silence(-60.0):
        held.claims.checked_at -= 60
        assert held.claims.supervise() == [] and not held.claim.is_lost
    held.store.change("job", with_the_lease_over)
    assert held.claims.supervise() == [] and held.claim.is_lost, "it was taken over"


def test_a_worker_puts_off_a_broken_record(store: JobStore, redis: Redis) -> None:
    call_back(store, "broken", "good")
    redis.set(RECORD_PREFIX + "broken", b"1 {")
    redis.zadd(PENDING_RESCUES, {"broken": 1.0})
    assert store.most_urgent() == "broken"
    assert HeldClaim.acquire(store, "broken") is None
    assert store.most_urgent() == "good"
    assert "broken" not in store.due(10).ids
