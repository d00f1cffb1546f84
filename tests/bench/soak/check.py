"""Checks after a soak run: every job, every object and every byte."""

import hashlib

from jobs.domain.job import Job
from jobs.domain.status import Source, Status
from tests.bench.soak.plan import Report
from tests.harness import Installation, invariants
from tests.sandbox import Sandbox, Task

TRIPLICATE = 3


def check(installation: Installation, sandbox: Sandbox, tasks: list[Task], report: Report) -> None:
    """Compare records and objects with what BFL has. Raises AssertionError."""
    jobs = {job.id: job for job in invariants.assert_invariants(installation, idle=True)}
    lost = [task.id for task in tasks if task.id not in jobs]
    assert not lost, f"I1: {len(lost)} of {len(tasks)} jobs have no record: {lost[:5]}"
    assert len(jobs) == len(tasks), "I2: there are records of jobs that nobody submitted"
    for task in tasks:
        _check_job(installation, sandbox, jobs[task.id], report)
    media = [
        key
        for key in installation.stored_objects.sizes()
        if not key.endswith((".json", ".thumb.webp"))
    ]
    assert len(media) == len(tasks), f"I9: {len(media)} objects for {len(tasks)} jobs"
    _count(jobs, sandbox.tasks(), report)
    report.objects = len(media)


def _check_job(installation: Installation, sandbox: Sandbox, job: Job, report: Report) -> None:
    assert job.status is Status.STORED, f"I21: {job.id} is {job.status}: {job.error}"
    (file,) = job.present_media
    stored = installation.stored_objects.read(file.key)
    assert stored == sandbox.file(job.id), f"I10: {job.id} has other bytes than BFL"
    assert hashlib.sha256(stored).hexdigest() == file.sha256, f"I10: {job.id}"
    report.bytes_compared += len(stored)
    report.thumbnails += file.thumbnail is not None


def _count(jobs: dict[str, Job], tasks: list[Task], report: Report) -> None:
    outcomes = [callback.outcome for task in tasks for callback in task.callbacks]
    report.jobs = len(jobs)
    report.without_callback = sum(task.switches.callback == "never" for task in tasks)
    report.in_triplicate = sum(task.switches.callback == TRIPLICATE for task in tasks)
    report.callbacks_acknowledged = outcomes.count(200)
    report.callbacks_unanswered = len(outcomes) - outcomes.count(200)
    report.polled_only = sum(job.source is Source.POLL for job in jobs.values())
    report.rescued_again = sum(job.lease.rescue_attempts > 1 for job in jobs.values())
