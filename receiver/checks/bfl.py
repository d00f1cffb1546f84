"""Checks of BFL: key, credits, paused submissions, models."""

from collections import Counter
from collections.abc import Iterator, Sequence

from jobs.bfl import account_refusals
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.model_names import DEFAULT
from jobs.config.environment import BFL_KEY_PREFIX, bfl_key_variable
from jobs.config.settings import Settings
from jobs.domain.errors import BflKeyMissing, BflUnavailable
from jobs.domain.status import Status
from jobs.services import Services, build_bfl_clients
from jobs.store.search_conditions import Search
from jobs.store.submission_queue import ALL_MODELS, Circuit, SlotUsage
from receiver.bfl_account import ASKING
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

ACCOUNT = "bfl"
SUBMISSIONS = "submissions"
CREDITS = "credits"
MODELS = "models"
LOW_CREDITS = 25.0  # a handful of images
LOW_DAYS = 3.0
PACE_DAYS = 7
SENT = (Status.SUBMITTED, Status.READY)
SENT_READ_MAX = 200
DATE_CHARS = len("2026-11-21")

_BUY = "Buy more on BFL's dashboard: without credits submissions wait."
_PAUSED = "Fluxkeep tries one job when the pause is over, and resumes by itself."
_ACCOUNT_PAUSED = (
    f"Check your account at {account_refusals.DASHBOARD}. "
    "Fluxkeep tries one job a minute and resumes by itself."
)
_SET_BFL_KEY = (
    "Set it again in every process, and they go on; or delete the jobs. No other account pays for "
    "them, and those that wait fail after a week."
)
_SET_API_KEY = (
    "Put a key of that name into API_KEYS of every process, and they go on; or delete the jobs. "
    "They fail after a week."
)


def check_account(context: Context) -> Iterator[Result]:
    """Ask BFL for the credits that are left."""
    if not _has_account(context.settings):
        why = "BFL_API_KEY is not set: nothing can be submitted or polled"
        yield warning(ACCOUNT, why, f"Set it to a key from {account_refusals.GET_STARTED}.")
        return
    name = str(context.settings.bfl_origin)
    if context.settings.has_sandbox:
        name = "the sandbox"
    for key, balance in context.balances.items():
        whose = f" of {key}" if key else ""
        if balance.credits is None:
            why = balance.reason.removesuffix(".") + whose
            yield failed(ACCOUNT, why, _remedy(balance.reason, key))
        elif balance.credits > 0:
            accepted = f"{name} accepts the key{whose}: {balance.text}"
            yield _try_submission(context, key, accepted)
        else:
            why = f"{name} has no credits left"
            if whose:
                why += f" for the key{whose}"
            yield failed(ACCOUNT, why, "Buy credits on BFL's dashboard.")


def check_credits(context: Context) -> Iterator[Result]:
    if not _has_account(context.settings):
        return
    for key, balance in context.balances.items():
        whose = f" for {key}" if key else ""
        if balance is ASKING:
            yield ok(CREDITS, balance.reason)
            continue
        if balance.credits is None:
            why = f"not known{whose}: {balance.reason}"
            yield warning(CREDITS, why, _remedy(balance.reason, key))
            continue
        pace = _credits_per_day(context, key)
        if balance.credits > max(LOW_CREDITS, LOW_DAYS * pace):
            yield ok(CREDITS, f"{balance.text} left{whose}")
        else:
            why = f"{balance.text} left{whose}"
            if pace > 0 and balance.credits > 0:
                why += f", enough for {balance.credits / pace:.1f} days at the present pace"
            yield warning(CREDITS, why, _BUY)


def _credits_per_day(context: Context, bfl_key: str | None) -> float:
    """The mean of the last days since the first that cost anything, of the jobs of a BFL key."""
    credits_of_days: list[float] = []
    for day in context.services.costs.days(PACE_DAYS):
        spent = 0.0
        for cost in day["costs"]:
            if context.services.bfl_key_of(cost["key"]) == bfl_key:
                spent += cost["credits"]
        if spent or credits_of_days:  # the mean begins with the first day that cost anything
            credits_of_days.append(spent)
    if not credits_of_days:
        return 0.0
    return sum(credits_of_days) / len(credits_of_days)


def check_submissions(context: Context) -> Iterator[Result]:
    """Fail when the account is paused while jobs wait; a paused model is no failure.

    Fail also when jobs wait for a key that was removed; jobs at BFL that cannot be polled for want
    of it are a warning: their callbacks may come.
    """
    queue = context.services.submission_queue
    usage = queue.slot_usage()
    is_reported = False
    held = queue.held()
    for name, number in sorted(held.by_account.items()):
        is_reported = True
        waiting_jobs = _waiting_jobs(number)
        why = f"{waiting_jobs}: {bfl_key_variable(name)} is not set any more"
        public_why = f"{waiting_jobs}: {_public_bfl_key_variable(name)} is not set any more"
        yield failed(SUBMISSIONS, why, _SET_BFL_KEY)._replace(public_why=public_why)
    for name, number in sorted(held.by_api_key.items()):
        is_reported = True
        waiting_jobs = _waiting_jobs(number)
        why = f"{waiting_jobs}: the API key {name} is not in API_KEYS any more"
        public_why = f"{waiting_jobs}: an API key is not in API_KEYS any more"
        yield failed(SUBMISSIONS, why, _SET_API_KEY)._replace(public_why=public_why)
    for name, number in sorted(_sent_with_missing_keys(context.services).items()):
        unpolled_jobs = f"{_count(number)} at BFL cannot be polled"
        why = f"{unpolled_jobs}: {bfl_key_variable(name)} is not set"
        public_why = f"{unpolled_jobs}: {_public_bfl_key_variable(name)} is not set"
        yield warning(SUBMISSIONS, why, _SET_BFL_KEY)._replace(public_why=public_why)
    for circuit in _circuits_that_hold_jobs_back(queue.open_circuits(), usage):
        if account_refusals.is_video_waiting(circuit.reason):
            is_reported = True
            model, _, _account = circuit.scope.partition("@")
            public_why = f"{model} waits: {circuit.reason}"
            why = f"{circuit.scope} waits: {circuit.reason}"
            yield warning(SUBMISSIONS, why, _PAUSED)._replace(public_why=public_why)
            continue
        is_about_account = account_refusals.is_about_account(circuit.reason)
        if circuit.scope.startswith(ALL_MODELS) or is_about_account:
            is_reported = True
            why = f"submitting is paused: {circuit.reason}"
            public_why = why
            if account_refusals.KEY_REFUSED in circuit.reason:
                account = _account_of(circuit.scope)
                why += f" (in {bfl_key_variable(account)})"
                public_why += f" (in {_public_bfl_key_variable(account)})"
            remedy = _ACCOUNT_PAUSED if is_about_account else _PAUSED
            yield failed(SUBMISSIONS, why, remedy)._replace(public_why=public_why)
    if not is_reported:
        yield ok(SUBMISSIONS, "are not paused")


def _circuits_that_hold_jobs_back(
    circuits: Sequence[Circuit], usage: SlotUsage
) -> Iterator[Circuit]:
    """The open circuits of queues that have jobs; of a paused account only its own circuit.

    The pause of a model says nothing while its whole account is paused, and hides the reason.
    """
    waiting_queues = {queue.model for queue in usage.models if queue.waiting}
    waiting_accounts = {_account_of(queue) for queue in waiting_queues}
    paused_accounts = set()
    for circuit in circuits:
        if circuit.scope.startswith(ALL_MODELS):
            account = _account_of(circuit.scope)
            paused_accounts.add(account)
            if account in waiting_accounts:
                yield circuit
    for circuit in circuits:
        if circuit.scope in waiting_queues and _account_of(circuit.scope) not in paused_accounts:
            yield circuit


def _account_of(scope: str) -> str:
    """The name of the account in `model@name`; empty for BFL_API_KEY's own."""
    return scope.partition("@")[2]


def _public_bfl_key_variable(account: str) -> str:
    """The variable of a BFL key for strangers: its end is the name of an API key."""
    if not account:
        return bfl_key_variable(account)
    return f"{BFL_KEY_PREFIX}…"


def _sent_with_missing_keys(services: Services) -> Counter[str]:
    """Numbers of the latest jobs at BFL whose BFL key was removed, by the name of its API key."""
    numbers = Counter[str]()
    for job in services.listing.page(Search(statuses=SENT), SENT_READ_MAX, None).jobs:
        try:
            services.bfl_for(job)
        except BflKeyMissing:
            numbers[job.submission.bfl_key or ""] += 1
    return numbers


def _waiting_jobs(jobs: int) -> str:
    return "1 job waits" if jobs == 1 else f"{jobs:,} jobs wait"


def _count(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs:,} jobs"


def check_schemas(context: Context) -> Iterator[Result]:
    """Tell by which document the form has its models."""
    schemas = context.services.schemas.load()
    models = f"{len(schemas.endpoints)} models"
    if schemas.problem:
        why = f"BFL's OpenAPI document is not taken over: {schemas.problem}"
        yield warning(MODELS, why, f"The form keeps its {models}; nothing else depends on it.")
    elif schemas.read_at:
        why = f"{models}, read at BFL {schemas.read_at[:16]}Z"
        latest_changes = _changes_of_latest_day(schemas.changes)
        if latest_changes:
            why += f"; changed {', '.join(latest_changes)}"
        yield ok(MODELS, why)
    elif context.settings.bfl_openapi:
        yield ok(MODELS, f"{models} of this release")
    else:
        yield ok(MODELS, f"{models} of this release, by BFL_OPENAPI=no")


def _changes_of_latest_day(changes: Sequence[str]) -> list[str]:
    """The changes of the latest day. Each text begins with its date; the latest comes first."""
    if not changes:
        return []
    latest_day = changes[0][:DATE_CHARS]
    return [change for change in changes if change.startswith(latest_day)]


def _has_account(settings: Settings) -> bool:
    return settings.has_bfl_key or settings.has_sandbox


def _try_submission(context: Context, key: str | None, accepted: str) -> Result:
    """Whether BFL takes submissions with this key: an empty input is refused, and makes no task."""
    client = build_bfl_clients(context.settings)[key]
    path = f"/v1/{DEFAULT}"
    try:
        answer = client.try_submission(DEFAULT)
    except BflUnavailable as error:
        why = f"{accepted}; a submission was not tried: {error}"
        return warning(ACCOUNT, why, _remedy(str(error), key))
    if answer.is_key_refused:
        why = f"BFL refuses the key in {client.key_variable} for {path}, though not for credits"
        return failed(ACCOUNT, why, f"See its permissions at {account_refusals.DASHBOARD}.")
    if bfl_submissions.names_fields(answer.status, answer.body):
        return ok(ACCOUNT, f"{accepted}; {path} takes submissions")
    why = f"{accepted}; an empty submission to {path} was answered {answer.status}, not 422"
    return warning(ACCOUNT, why, "See BFL's status page; submissions may wait.")


def _remedy(error: str, key: str | None) -> str:
    if "refuses" in error:
        variable = bfl_key_variable(key or "")
        return f"Put a key from {account_refusals.GET_STARTED} into {variable} of every process."
    return "Check that this machine can connect to BFL_API_URL and that BFL has no outage."
