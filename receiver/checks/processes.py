"""Checks of worker and sweep: heartbeats, overdue jobs, and rescues that wait too long."""

from collections.abc import Iterator, Sequence

from jobs.config.settings import Settings
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
    if not result.ok:
        yield result
        return
    workers = len(context.services.health_probes.worker_keys())
    if workers > 1:
        result = ok("worker", f"{workers} running, {result.why}")
    yield result


def check_sweep(context: Context) -> Iterator[Result]:
    result = _heartbeat("sweep", context)
    if result.ok:
        overdue = context.services.metrics.totals().overdue
        if overdue:
            why = f"{overdue:,} jobs have been due for more than 30 s"
            result = failed("sweep", why, "Start a second sweep process: this one cannot keep up.")
    yield result
    erasures = context.services.due.erasures.earliest(ERASURES_MAX)
    if erasures:
        why = f"the storage is searched for {len(erasures)} jobs that were deleted without a record"
        yield ok("erasures", why)


def check_batches(context: Context) -> Iterator[Result]:
    """Raises StoreUnavailable."""
    batches = context.services.batches.under_way()
    if not batches:
        yield ok("batches", "none is under way")
        return
    texts = []
    reasons = []
    for batch in batches:
        texts.append(f"{batch.action}: {batch.jobs_left:,} of {batch.total:,} jobs left")
        if batch.waits_for:
            reasons.append(batch.waits_for)
    why = "; ".join(texts)
    if reasons:
        why += f"; waits: {reasons[0].rstrip('.')}"
        yield warning("batches", why, "It goes on by itself.")
    else:
        yield ok("batches", why)


def check_rescues(context: Context) -> Iterator[Result]:
    """Find refused hosts, rescues that wait long for a worker, and URLs about to expire."""
    now = context.services.store.now()
    ready = context.services.listing.expiring()
    refused_hosts: set[str] = set()
    for job in ready:
        refused_hosts.update(_refused_hosts(context, job))
    if refused_hosts:
        yield _report_refused_hosts(sorted(refused_hosts), context.settings)
        return
    waited = longest_wait(ready, now)
    if waited > WAIT_SECONDS:
        why = f"the oldest has waited {waited:.0f} s for a worker"
        yield failed("rescues", why, "Start another worker, or check why the workers are busy.")
        return
    urgent_jobs = [job for job in ready if _expires_soon(job, now)]
    if not urgent_jobs:
        yield ok("rescues", "none waits long, and no URL is about to expire")
        return
    if len(urgent_jobs) == 1:
        why = "1 job loses its media within a minute"
    else:
        why = f"{len(urgent_jobs)} jobs lose their media within a minute"
    yield failed("rescues", why, "See the health page for the jobs; start another worker.")


def _expires_soon(job: Job, now: float) -> bool:
    expire_at = job.delivery.expire_at or 0.0
    return expire_at - now < URGENT_SECONDS


def _report_refused_hosts(hosts: Sequence[str], settings: Settings) -> Result:
    allowed_hosts = ",".join(list(settings.delivery_hosts) + list(hosts))
    why = f"media lie on hosts that are not known to be BFL's: {', '.join(hosts)}"
    remedy = f"If BFL says that these are its own, set DELIVERY_HOSTS={allowed_hosts} and restart."
    return failed("rescues", why, remedy)


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
    age = context.services.health_probes.heartbeat_ages().get(name)
    if age is not None and age <= HEARTBEAT_MAX_SECONDS[name]:
        return ok(name, f"was seen {max(age, 0.0):.0f} s ago")
    if age is None:
        why = "was never seen"
    else:
        why = f"was last seen {age:.0f} s ago"
    remedy = f"Start it with the same REDIS_URL, under a supervisor: {COMMANDS[name]}"
    return failed(name, why, remedy)
