"""A test callback through the real path, step by step: from our public address to the record.

It says that a made-up task is in progress. So it ends nothing, is told to nobody, and is forgotten
at once. Where BFL is a sandbox, a whole sample generation follows, up to the stored picture.
"""

import json
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from jobs import bfl_answers
from jobs.errors import (
    Crowded,
    LineFull,
    RefusedUrl,
    StorageFailed,
    StoreUnavailable,
    TransferFailed,
)
from jobs.hosts import Address
from jobs.job import Job
from jobs.services import Services
from jobs.signing import callback_digest
from jobs.states import State
from jobs.timeline import Moment
from receiver import front_door
from receiver.aside import aside
from receiver.dashboard.filters import bytes_
from receiver.fanout import Fanout
from receiver.health import FEW_BYTES, SWEEP_SILENT_SECONDS, WORKER_SILENT_SECONDS
from receiver.submissions import Wish, put_in_line

MODEL = "flux-2-pro"
PROMPT = "a lighthouse at dawn, drawn in ink"
MARK = {"test": "made by the dashboard"}
SAMPLE_SECONDS = 60.0
LOOK_SECONDS = 1.0
PROCESSES = {"sweep": SWEEP_SILENT_SECONDS, "worker": WORKER_SILENT_SECONDS}

# What becomes of the sample, by the words of its timeline.
_PASSED = {
    "queued": "A sample waits in line",
    "submitted": "BFL's stand-in took it",
    "callback accepted": "Its callback was accepted",
    "stored": "Fetched and stored",
}
_SILENT = ("submitting",)


class Step(NamedTuple):
    """What happened, and whether it should have."""

    said: str
    detail: str = ""
    good: bool = True
    job_id: str = ""


def bad(said: str, detail: str) -> Step:
    return Step(said, detail, good=False)


Steps = Generator[Step, None, bool]  # whether the next steps make sense


@dataclass(frozen=True, slots=True)
class Trial:
    """One try. Nothing is raised: what goes wrong is a step."""

    services: Services
    fanout: Fanout

    def steps(self) -> Iterator[Step]:
        """Each as soon as it has happened."""
        try:
            well = (yield from self._callback()) and (yield from self._processes())
            if well and self._is_free:
                yield from self._sample()
            elif well:
                yield self._storage()
        except (StoreUnavailable, LineFull, Crowded) as error:
            yield bad("Not done", str(error))

    @property
    def _is_free(self) -> bool:
        """A generation costs nothing: what stands in for BFL is on this machine."""
        return self.services.settings.bfl_origin == self.services.settings.bfl_sandbox_url

    # The callback.

    def _callback(self) -> Steps:
        address = front_door.address(self.services.settings)
        if not self.services.settings.bfl_reaches_us:
            yield bad("PUBLIC_URL is not set", "so BFL has nobody to call; this tries us alone")
        if front_door.is_plain_http_abroad(address.origin):
            yield bad("Not sent", "PUBLIC_URL is plain http: BFL calls https addresses only")
            return False
        task_id = f"fluxkeep-test-{uuid.uuid4().hex[:12]}"
        job = self._expected(task_id)
        try:
            return (yield from self._sent(address, job))
        finally:
            with suppress(StoreUnavailable):
                self.services.store.forget(job)

    def _expected(self, task_id: str) -> Job:
        patience = self.services.settings.patience

        def begin(job: Job | None, now: float) -> Job:
            known = job or Job.expected(task_id, now, patience)
            return known.described(now, {"metadata": MARK})

        change = self.services.store.change(task_id, begin, new=True)
        assert change.after is not None  # `begin` always makes one
        return change.after

    def _sent(self, address: Address, job: Job) -> Steps:
        yield Step("Sent", f"a signed callback to {address}")
        began = time.monotonic()
        try:
            status = self._answered(address, job.id)
        except RefusedUrl:
            said = "it leads to an address that is not on the internet, where BFL cannot call"
            yield bad("Not reached", f"{address.origin}: {said}")
            return False
        except TransferFailed as error:
            yield bad("Not reached", f"{address.origin}: {error}")
            return False
        if status != HTTPStatus.OK:
            yield bad("Refused", _meaning(status))
            return False
        yield Step("Accepted", f"answered with 200 after {time.monotonic() - began:.2f} s")
        return (yield from self._recorded(job))

    def _answered(self, address: Address, task_id: str) -> int:
        secret = self.services.settings.webhook_secret[0].get_secret_value().encode()
        body = json.dumps(bfl_answers.pending(task_id)).encode()
        return front_door.knock(address, callback_digest(secret, body), body)

    def _recorded(self, job: Job) -> Steps:
        found = self.services.store.load(job.id)
        if found is None or found.version == job.version:
            yield bad("Not on record here", "another installation answers at PUBLIC_URL")
            return False
        yield Step("On record", "as a job of its own, which is removed again")
        return True

    # What comes after it.

    def _processes(self) -> Steps:
        seen = self.services.pulse.seen()
        silent = [
            name
            for name, most in PROCESSES.items()
            if (age := seen.get(name)) is None or age > most
        ]
        if silent:
            yield bad("Nobody goes on", f"no {' and no '.join(silent)} is at work: start one")
        return not silent

    def _storage(self) -> Step:
        try:
            aside(lambda: self.services.media.check(FEW_BYTES))
        except StorageFailed as error:
            return bad("The storage refuses", str(error))
        return Step("The storage works", "a few bytes were written, read back and deleted")

    def _sample(self) -> Iterator[Step]:
        """A whole generation, followed as it goes."""
        job = put_in_line(self.services, Wish(MODEL, {"prompt": PROMPT}, {"metadata": MARK}))
        told, until = 0, time.monotonic() + SAMPLE_SECONDS
        with self.fanout.following(job.id) as follower:
            while True:
                job = self.services.store.load(job.id) or job
                yield from (_passed(job, moment) for moment in _heard(job)[told:])
                told = len(_heard(job))
                if job.state.terminal or time.monotonic() > until:
                    break
                follower.wait(LOOK_SECONDS)
        yield from self._outcome(job)

    def _outcome(self, job: Job) -> Iterator[Step]:
        """Why it was not stored, if it was not."""
        if job.state is State.STORED:
            return
        (refused,) = self.services.refusals.of([job.id])
        yield from (bad("A callback was refused", moment.detail["reason"]) for moment in refused)
        why = job.failure.message if job.failure else f"after {SAMPLE_SECONDS:.0f} s"
        yield Step("Not stored", f"the job is {job.state}: {why}", good=False, job_id=job.id)


def _meaning(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return "answered with 401: give every web process the same WEBHOOK_SECRET"
    return f"answered with {status}, as Fluxkeep does not: see that PUBLIC_URL leads here"


def _heard(job: Job) -> list[Moment]:
    return [moment for moment in job.timeline if moment.what not in _SILENT]


def _passed(job: Job, moment: Moment) -> Step:
    if moment.what not in _PASSED:
        why = str(moment.detail.get("reason") or moment.detail.get("status") or "")
        return bad(moment.what.capitalize(), why)
    if not job.media:
        return Step(_PASSED[moment.what])
    files = "1 file" if len(job.media) == 1 else f"{len(job.media)} files"
    detail = f"{files} of {bytes_(moment.detail['bytes'])}"
    return Step(_PASSED[moment.what], detail, job_id=job.id)
