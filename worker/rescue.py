"""Bringing a job's media home before their URL dies."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache

import requests

from jobs import ingest, portrait, recollection, sidecars, watchdog, web
from jobs.counts import LIFE_LEFT, TIME_TO_STORED
from jobs.errors import (
    BflUnavailable,
    ClaimLost,
    NotMedia,
    RefusedMedia,
    RefusedUrl,
    StorageFailed,
    StoreUnavailable,
    TransferFailed,
    UnknownHost,
    UrlDead,
)
from jobs.found import NO_COUNTS
from jobs.hosts import Address, Origin
from jobs.job import RESCUE_PUT_OFF, Job
from jobs.kept import Kept, Role
from jobs.media import object_key
from jobs.services import Services
from jobs.states import News, State
from worker import adoption, fetch, poll
from worker.backoff import pause
from worker.claim import Claim

QUICK_TRIES = 3
QUICK_PAUSE_SECONDS = 0.4
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0
# A URL that looks dead is tried all the same: our clock may be the one that is wrong.
LEAST_SECONDS = 20.0

log = logging.getLogger(__name__)


def bring_home(services: Services, claim: Claim) -> None:
    """Fetch all of a job's media and commit them, or say on the record why not."""
    before = claim.job
    try:
        _attempt(services, claim)
    finally:
        if claim.job.state is not State.STORED:
            drop_if_over(services, before)


def _attempt(services: Services, claim: Claim) -> None:
    rescue = Rescue(services, claim)
    claim.on_loss = watchdog.cut_connections
    try:
        _run(rescue)
    except StorageFailed as error:
        services.pulse.trouble("storage", str(error))
        rescue.rest(f"storage: {error}")


def _run(rescue: "Rescue") -> None:
    try:
        rescue.run()
    except UrlDead as error:
        rescue.ask_again(str(error))
    except UnknownHost as error:
        rescue.try_later(str(error))
    except RefusedMedia as error:
        code, message = error.code, str(error)
        rescue.give_up(lambda job, now: job.refused(now, code, message))
    except TransferFailed as error:
        rescue.try_later(str(error))


@cache
def _session(sandbox: Origin | None) -> requests.Session:
    """One for a process: the next picture comes over the connection of the last one."""
    return web.new_session(sandbox)


class Rescue:
    """One worker's attempt at one job."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim

    def run(self) -> None:
        """Everything or nothing: a job is stored when its last file is."""
        job = self._claim.job
        session = _session(self._services.trust.sandbox)
        addresses = [self._address(n) for n in range(len(job.urls))]
        kept = [self._keep_or_leave(session, n, at) for n, at in enumerate(addresses)]
        media = tuple(file for file in kept if file)
        left_out = [n for n, file in enumerate(kept) if file is None]
        now = self._services.store.now()
        life = (job.urls_die_at or now) - now
        counts = {
            **LIFE_LEFT.observed(life),
            **TIME_TO_STORED.observed(now - (job.ready_at or now)),
        }
        self._commit_stored(media, now, counts, left_out)
        log.info("job %s: stored, its URL had %.0f s to live", job.id, life)

    def _commit_stored(
        self,
        media: tuple[Kept, ...],
        now: float,
        counts: Mapping[str, int],
        left_out: Sequence[int] = (),
    ) -> None:
        """What stands beside the objects is written first: whatever is stored has it."""
        services, claim = self._services, self._claim
        claim.commit(Job.renewed)  # whoever lost the job must not describe it any more
        written = sidecars.describe(services.media, claim.job.stored(now, media, left_out))
        self.end(lambda job, _now: job.stored(now, media, left_out), counts)
        if written != portrait.sidecar(claim.job):  # the caller said more of it meanwhile
            with suppress(StoreUnavailable, StorageFailed):
                sidecars.keep_true(services.store, services.media, claim.job.id)

    def _address(self, n: int) -> Address | None:
        """Vet the URL of a file; None for one in an unknown place: it may be the caller's own."""
        job = self._claim.job
        try:
            return self._services.trust.delivery(job.urls[n])
        except RefusedUrl:
            if n == 0 or job.role(n) is not Role.OTHER:
                raise
        self._claim.commit(lambda job, now: job.noted(now, "URL left out", file=n).renewed(now))
        return None

    def _keep_or_leave(
        self, session: requests.Session, n: int, address: Address | None
    ) -> Kept | None:
        """What a draft cache is made of is BFL's business: it must not cost the samples."""
        if address is None:
            return None
        try:
            return self._keep(session, n, address)
        except NotMedia:
            if n == 0 or self._claim.job.role(n) is not Role.DRAFT_CACHE:
                raise
        self._claim.commit(lambda job, now: job.noted(now, "draft cache left out").renewed(now))
        return None

    def _keep(self, session: requests.Session, n: int, address: Address) -> Kept:
        job = self._claim.job
        if job.fence > 1 and (found := adoption.left_behind(self._services.media, job, n)):
            return found
        for attempt in range(QUICK_TRIES):
            try:
                return self._fetched(session, n, address)
            except (TransferFailed, NotMedia) as error:
                log.info("job %s: %s", job.id, error)
                if attempt == QUICK_TRIES - 1 or self._seconds_left() <= 0:
                    raise
                time.sleep(pause(attempt, QUICK_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
        raise AssertionError  # the last attempt returns or raises

    def _fetched(self, session: requests.Session, n: int, address: Address) -> Kept:
        job, media, seconds = self._claim.job, self._services.media, self._seconds_left()
        if self._claim.lost:
            raise ClaimLost
        if seconds <= 0:
            raise TransferFailed("there is no time left")
        with media.staging(job.id) as path:
            got = fetch.download(
                session,
                address,
                path,
                allow=self._services.trust.delivery,
                seconds=seconds,
                max_bytes=self._services.settings.max_media_bytes,
            )
            key = object_key(job.id, job.created_at, n, got.content_type)
            self._claim.commit(Job.renewed)  # whoever lost the job must not publish any more
            kept = adoption.kept(key, path, got, job.role(n))
            name = portrait.file_name(job, n, key)
            if not media.publish(path, key, name) and not adoption.is_same(media, kept):
                # Left by an earlier claim and on no record, unless the job was lost meanwhile.
                self._claim.commit(Job.renewed)
                media.delete(key)
                if not media.publish(path, key, name):
                    raise StorageFailed("another object stands in the place of this one")
            return kept

    def _seconds_left(self) -> float:
        job, now = self._claim.job, self._services.store.now()
        until = max(job.urls_die_at or 0.0, now + LEAST_SECONDS)
        return min(until, job.deadline) - now

    # When it does not work.

    def try_later(self, why: str) -> None:
        """Try again while the URL lives; ask BFL for a fresh one when it does not."""
        if self._services.store.now() < (self._claim.job.urls_die_at or 0.0):
            self.rest(why)
        else:
            self.ask_again(why)

    def ask_again(self, why: str) -> None:
        """The URL is dead: ask BFL once for a fresh one, which is a new chance, else it is over."""
        job, services = self._claim.job, self._services
        try:
            report = None if job.asked_again else poll.inquire(services, job)
        except BflUnavailable as trouble:
            self.rest(f"{why}; {trouble}", trouble.retry_after)
            return
        if report and report.news is News.READY and report.urls != job.urls:
            heard = ingest.apply_report(services.store, report, services.settings.patience, job.id)
            if heard.urls != job.urls:
                return
        self.give_up(lambda job, now: job.expired(now, f"{why}, and BFL gave no fresh URL"))

    def give_up(self, step: Callable[[Job, float], Job]) -> None:
        """Commit this end, unless the media have been here since before Redis was lost."""
        media = adoption.kept_before(self._services.media, self._claim.job)
        if not media:
            self.end(step)
            return
        self._claim.commit(lambda job, now: job.noted(now, "found its media kept").renewed(now))
        self._commit_stored(media, self._services.store.now(), NO_COUNTS)

    def rest(self, why: str, retry_after: float | None = None) -> None:
        """Try again later."""

        def rested(job: Job, now: float) -> Job:
            seconds = pause(job.tries, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            noted = job.noted(now, RESCUE_PUT_OFF, reason=why)
            return noted.rested(now, max(seconds, retry_after or 0.0))

        log.info("job %s: rescue put off: %s", self._claim.job.id, why)
        self._claim.commit(rested)

    def end(self, step: Callable[[Job, float], Job], counts: Mapping[str, int] = NO_COUNTS) -> None:
        """Commit the end of the job."""
        self._claim.commit(step, counts)


def drop_if_over(services: Services, before: Job) -> None:
    """No file stays of a job that was forgotten or has ended otherwise than stored."""
    with suppress(StoreUnavailable, StorageFailed):
        after = services.store.load(before.id)
        if after is None or (after.state.terminal and after.state is not State.STORED):
            wanted = after is not None or not services.store.is_forgotten(before.id)
            services.media.drop_uncommitted(
                before.id, before.created_at, len(before.urls), _kept_by(services, wanted=wanted)
            )


def _kept_by(services: Services, *, wanted: bool) -> Callable[[str], bool]:
    """Which objects an earlier life of a job has kept; of one that was deleted nothing stays."""
    return lambda key: wanted and recollection.beside(services.media, key) is not None
