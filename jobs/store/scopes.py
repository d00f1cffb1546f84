"""Scopes in which BFL limits submissions: a model, or all models, at an account.

A scope names the submission queue, the concurrency slots and the circuit of its jobs.
"""

from jobs.bfl.model_names import slot_model
from jobs.domain.budgets import units
from jobs.domain.job import Job
from jobs.store.redis import keys


def at_account(model: str, bfl_key: str | None) -> str:
    """The scope of a model at an account: BFL_API_KEY's (None) or another; no model has an `@`."""
    if not bfl_key:
        return model
    return f"{model}@{bfl_key}"


def slot_scope(scope: str) -> str:
    """The scope whose slots the jobs of a queue take."""
    model, _, account = scope.partition("@")
    return at_account(slot_model(model), account or None)


def slots_key(scope: str) -> str:
    """The set of the taken slots of a scope; the empty scope is that of all models."""
    if not scope:
        return keys.ACTIVE
    return f"{keys.ACTIVE}:{scope}"


def slots_keys_of(job: Job) -> tuple[str, str]:
    """The sets of the slots that a job takes: of all models, and of its own model."""
    account = job.submission.bfl_key
    total = slots_key(at_account("", account))
    own_model = slots_key(at_account(slot_model(job.model or ""), account))
    return total, own_model


def queue_key(job: Job) -> str:
    """The queue of a job's model; jobs that wait for a budget share one with jobs of their price.

    Jobs that wait for an API key that was removed have a queue of their own, so that they block no
    others.
    """
    queue = keys.QUEUE_PREFIX + at_account(job.model or "", job.submission.bfl_key)
    if job.submission.awaits_budget:
        reserve = job.submission.reserve
        price = "?" if reserve is None else units(reserve)
        return f"{queue}\t{price}\t{job.request.key}"
    if job.submission.is_held:
        return f"{queue}\t\t{job.request.key or ''}"
    return queue


def scope_of_queue(queue: str) -> str:
    """The scope that a queue is named by."""
    scope, _, _price_and_key = queue.removeprefix(keys.QUEUE_PREFIX).partition("\t")
    return scope
