"""In a few words: what a job waits for, and why one has ended."""

from jobs.job import Job
from jobs.services import Services
from jobs.slots import EVERYTHING, Pause
from jobs.states import State
from receiver.checks.processes import SILENT_SECONDS


def awaited(services: Services, job: Job) -> str:
    """What a job that has not ended waits for. Raises StoreUnavailable."""
    if (job.waits or job.state is State.READY) and _no_worker(services):
        return "no worker process is running: start `python -m worker`"
    if job.waits:
        return _turn(services, job)
    if job.state is State.QUEUED:
        return "being sent to BFL"
    if job.state is State.READY:
        return "BFL is done, the media are being fetched"
    return "BFL's callback decides whether it has the job" if job.unconfirmed else "BFL is at work"


def _no_worker(services: Services) -> bool:
    age = services.pulse.seen().get("worker")
    return age is None or age > SILENT_SECONDS["worker"]


def _turn(services: Services, job: Job) -> str:
    pauses = [one for one in services.slots.pauses() if one.scope in (EVERYTHING, job.model)]
    if pauses:
        return _paused(max(pauses, key=lambda pause: pause.until), services.store.now())
    total = services.settings.max_active.total
    if services.slots.active() >= total:
        return f"all {total} slots at BFL are taken"
    return "its turn at BFL"


def _paused(pause: Pause, now: float) -> str:
    left = pause.until - now
    when = f"in {left:.0f} s" if left >= 1 else "soon"
    return f"paused: {pause.reason}; tried again {when}"


def ending(job: Job) -> str:
    """Why a job did not end as `stored`."""
    if job.moderation:
        reasons = ", ".join(job.moderation.reasons) or "no reasons given"
        return f"moderated: BFL refuses its {job.moderation.stage} ({reasons})"
    if job.failure:
        return f"{job.state}: {job.failure.message} ({job.failure.code})"
    return str(job.state)
