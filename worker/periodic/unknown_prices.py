"""Give back what jobs of unknown price hold of a budget, as soon as BFL has named such a price.

Another job names it, also one of another key. Without this a job that BFL never prices, or that it
answered with an error, would hold all that was left until the period ends.
"""

from functools import partial

from jobs.domain import submission
from jobs.domain.errors import Evicted, UnreadableRecord
from jobs.services import Services

CHECK_SECONDS = 2.0


def settle_all(services: Services) -> float:
    """Look at the jobs of all keys with a budget; return the seconds until the next look."""
    for key in services.budgets.by_key:
        for job_id in services.budgets.unpriced_jobs(key):
            settle(services, job_id)
    return CHECK_SECONDS


def settle(services: Services, job_id: str) -> None:
    """Let a job count as the price that BFL has named of such jobs since. Raises StoreUnavailable.

    A record that cannot be read stays as it is: doctor names it.
    """
    try:
        job = services.store.load(job_id, exactly=True)
        if job is None:
            return
        price = services.budgets.price(job.model, job.request.kept_input or {})
        if price.credits is not None and not price.is_guess:
            services.store.change(job_id, partial(submission.settle_price, price=price.credits))
    except (Evicted, UnreadableRecord):
        return
