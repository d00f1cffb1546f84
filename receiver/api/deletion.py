"""Forgetting a job, over HTTP or from the dashboard."""

from functools import partial

from jobs.job import Job
from jobs.services import Services
from receiver.blocking_calls import aside


def forget(services: Services, job: Job) -> None:
    """Delete the media, then the record: half done, it can be done again."""
    for file in job.media:
        aside(partial(services.media.delete, file.key))
    services.store.delete(job)
    # A rescue or a drawing under way may have left something; from here on it cannot commit.
    media = services.media
    aside(lambda: media.delete_superseded(job.id, job.created_at, job.fencing_token, named=()))
