"""Checks of worker and sweep: heartbeats, overdue jobs, and rescues that wait too long."""

from collections.abc import Iterator

from jobs.domain.errors import UnknownHost, UrlRefused
from jobs.domain.job import Job
from jobs.store.erasures import ERASURES_MAX
from jobs.store.listing import longest_wait
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

HEARTBEAT_MAX_SECONDS = {"worker": 60.0, "sweep": 30.0}
URGENT_SECONDS = 60.0
WAIT_SECONDS = 60.0
COMMANDS = {"worker": "python -m worker", "sweep": "python -m worker.sweep"}


def check_worker(context: Context) -> Iterator[Result]:
    result = _heartbeat("worker", context)
    number = len(context.services.metrics.worker_keys()) if result.ok else 0
    yield ok("worker", f"{number} running, {result.why}") if number > 1 else result


def check_sweep(context: Context) -> Iterator[Result]:
    result = _heartbeat("sweep", context)
    overdue = context.services.metrics.totals().overdue if result.ok else 0
    if overdue:
        why = f"{overdue:,} jobs have been due for more than 30 s"
        result = failed("sweep", why, "Start a second sweep process: this one cannot keep up.")
    yield result
    if erasures := context.services.due.erasures.earliest(ERASURES_MAX):
        why = f"the storage is searched for {len(erasures)} jobs that were deleted without a record"
        yield ok("erasures", why)


def check_batches(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    under_way = context.services.batches.under_way()
    texts = [f"{one.action}: {one.left:,} of {one.total:,} jobs left" for one in under_way]
    why = "; ".join(texts) or "none is under way"
    if reason := next((one.waits_for for one in under_way if one.waits_for), None):
        yield warning("batches", f"{why}; waits: {reason.rstrip('.')}", "It goes on by itself.")
    else:
        yield ok("batches", why)


def check_rescues(context: Context) -> Iterator[Result]:
    """Find refused hosts, rescues that wait long for a worker, and URLs about to expire."""
    now = context.services.store.now()
    ready = context.services.listing.expiring()
    if hosts := sorted({host for job in ready for host in _refused_hosts(context, job)}):
        allowed = ",".join([*context.settings.delivery_hosts, *hosts])
        remedy = f"If BFL says that these are its own, set DELIVERY_HOSTS={allowed} and restart."
        why = f"media lie on hosts that are not known to be BFL's: {', '.join(hosts)}"
        yield failed("rescues", why, remedy)
        return
    waited = longest_wait(ready, now)
    if waited > WAIT_SECONDS:
        why = f"the oldest has waited {waited:.0f} s for a worker"
        yield failed("rescues", why, "Start another worker, or check why the workers are busy.")
        return
    urgent = sum((job.delivery.expire_at or 0.0) - now < URGENT_SECONDS for job in ready)
    if urgent:
        jobs = "1 job loses its" if urgent == 1 else f"{urgent} jobs lose their"
        why = f"{jobs} media within a minute"
        yield failed("rescues", why, "See the health page for the jobs; start another worker.")
    else:
        yield ok("rescues", "none waits long, and no URL is about to expire")


def _refused_hosts(context: Context, job: Job) -> Iterator[str]:
    """Delivery hosts of a job that an operator may allow."""
    for url in job.delivery.urls:
        try:
            context.services.host_policy.validate_delivery_url(url)
        except UnknownHost as error:
            yield error.host
        except UrlRefused:
            continue


def _heartbeat(name: str, context: Context) -> Result:
    age = context.services.metrics.heartbeat_ages().get(name)
    if age is not None and age <= HEARTBEAT_MAX_SECONDS[name]:
        return ok(name, f"was seen {max(age, 0.0):.0f} s ago")
    why = "was never seen" if age is None else f"was last seen {age:.0f} s ago"
    remedy = f"Start it with the same REDIS_URL, under a supervisor: {COMMANDS[name]}"
    return failed(name, why, remedy)
