"""Release the budget that jobs of unknown price hold, as soon as BFL has named their price.

BFL may name it for another job of the class, also for a job of another API key. Without this step
a job that BFL never prices, or answered with an error, would hold the rest of the budget until the
period ends.
"""

from functools import partial

from jobs.domain import submission
from jobs.domain.errors import Evicted, UnreadableRecord
from jobs.services import Services

CHECK_SECONDS = 2.0


def settle_all(services: Services) -> float:
    """Settle the jobs of all API keys with a budget; return the seconds until the next step."""
    for key_name in services.budgets.by_key:
        for job_id in services.budgets.unpriced_jobs(key_name):
            settle(services, job_id)
    return CHECK_SECONDS


def settle(services: Services, job_id: str) -> None:
    """Settle a job at the price that BFL has named for its class. Raises StoreUnavailable.

    A job without such a price is left alone, and so is an unreadable record: doctor names it.
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
