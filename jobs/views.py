"""A job as its user gets it: its portrait, with refused callbacks and links that are signed now."""

from collections.abc import Sequence

from jobs import serializer, view_types
from jobs.job import Job
from jobs.services import Services
from jobs.store.submission_queue import ALL_MODELS, Circuit
from jobs.timeline import EventCode, TimelineEvent


def jobs(
    services: Services, records: Sequence[Job], link_ttl: float | None = None
) -> list[view_types.Job]:
    """The JSON of several jobs; their links live for `link_ttl` seconds."""
    refusals = (
        services.refused_callbacks.latest([record.id for record in records]) if records else []
    )
    pauses = (
        services.submission_queue.open_circuits()
        if any(record.submission.is_queued for record in records)
        else []
    )
    return [
        _job(services, record, (*refused, *_held_up(record, pauses)), link_ttl)
        for record, refused in zip(records, refusals, strict=True)
    ]


def _held_up(record: Job, pauses: Sequence[Circuit]) -> list[TimelineEvent]:
    """Why a job still waits in line, which is on no record of its own."""
    scopes = (ALL_MODELS, record.model) if record.submission.is_queued else ()
    return [
        TimelineEvent(pause.since, EventCode.SUBMISSION_PAUSED, {"reason": pause.reason})
        for pause in pauses
        if pause.scope in scopes
    ]


def waiting_reasons(services: Services, record: Job) -> list[str]:
    """Why BFL does not work on a job yet; empty when nothing is wrong."""
    if record.submission.is_queued:
        return [
            moment.detail["reason"]
            for moment in _held_up(record, services.submission_queue.open_circuits())
        ]
    unconfirmed = record.timeline if record.submission.unconfirmed else ()
    return [
        one.detail["reason"] for one in unconfirmed if one.event is EventCode.SUBMISSION_UNCONFIRMED
    ][-1:]


def job(services: Services, record: Job, link_ttl: float | None = None) -> view_types.Job:
    """The JSON of one job."""
    return jobs(services, [record], link_ttl)[0]


def _job(
    services: Services, record: Job, beside: tuple[TimelineEvent, ...], link_ttl: float | None
) -> view_types.Job:
    urls = services.links_to(record, seconds=link_ttl)
    small = services.links_to_thumbnails(record, link_ttl)
    media: list[view_types.Medium] = [
        {"url": url, "thumbnail_url": thumbnail_url, **serializer.file(kept)}
        for url, thumbnail_url, kept in zip(urls, small, record.media, strict=True)
    ]
    return serializer.portrait(record, media, beside)
