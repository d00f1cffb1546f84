"""A job as its user gets it: its portrait, with refused callbacks and links that are signed now."""

from collections.abc import Sequence
from typing import Any

from jobs.job import Job, Moment
from jobs.portrait import portrait
from jobs.services import Services
from jobs.signing import MediaLink
from receiver.wiring import wired


def jobs(
    services: Services, records: Sequence[Job], link_ttl: float | None = None
) -> list[dict[str, Any]]:
    """The JSON of several jobs; their links live for `link_ttl` seconds."""
    refusals = services.refusals.of([record.id for record in records]) if records else []
    seconds = link_ttl or services.settings.link_ttl
    return [_job(services, *pair, seconds) for pair in zip(records, refusals, strict=True)]


def job(services: Services, record: Job, link_ttl: float | None = None) -> dict[str, Any]:
    """The JSON of one job."""
    return jobs(services, [record], link_ttl)[0]


def _job(
    services: Services, record: Job, refusals: tuple[Moment, ...], link_ttl: float
) -> dict[str, Any]:
    shown = portrait(record, refusals)
    signer = wired().links
    expires = int(services.store.now() + link_ttl)
    base = f"{services.settings.base_url}/media/"

    def linked(n: int, medium: dict[str, Any]) -> dict[str, Any]:
        return {"url": base + signer.sign(MediaLink(record.id, n, expires)), **medium}

    shown["media"] = [linked(n, medium) for n, medium in enumerate(shown["media"])]
    return shown
