"""Telling a job's submitter of its end: the pure steps, at BFL's own pace."""

from dataclasses import replace

from jobs.job import Job

SENDING_SECONDS = 30.0  # whoever sends has it for so long; then it counts as not sent
# BFL answers what a webhook did not take with another call after 1, 5 and 30 s.
PAUSES_SECONDS = (1.0, 5.0, 30.0)


def telling(job: Job, now: float) -> Job:
    """Taken by one sender; the others see that it is not due any more."""
    if job.tell_at is None or job.tell_at > now:
        return job
    return replace(job, tell_at=now + SENDING_SECONDS, told=job.told + 1)


def told(job: Job, now: float) -> Job:
    return replace(job, tell_at=None).noted(now, "webhook called")


def not_told(job: Job, now: float, why: str) -> Job:
    """Again after a pause, or given up where that can be seen."""
    if job.told > len(PAUSES_SECONDS):
        return replace(job, tell_at=None).noted(now, "webhook given up", reason=why)
    again = replace(job, tell_at=now + PAUSES_SECONDS[job.told - 1])
    return again.noted(now, "webhook not reached", reason=why)
