"""BFL: whether it can be reached and takes the key."""

from jobs.api import Api
from jobs.errors import BflUnavailable
from jobs.settings import Settings
from receiver.balance import amount, balance
from receiver.doctor.finding import Finding, failed, ok, warning

PART = "BFL"


def look(api: Api, settings: Settings) -> Finding:
    if settings.bfl_api_key is None and settings.bfl_origin != settings.bfl_sandbox_url:
        said = "BFL_API_KEY is not set, so nothing can be submitted and nobody can be asked"
        return warning(PART, said, "Set it to a key from BFL's dashboard.")
    try:
        left = balance(api)
    except BflUnavailable as error:
        return failed(PART, str(error), _remedy(str(error)))
    who = "the sandbox that stands in for BFL" if _is_sandbox(settings) else str(api.origin)
    if left <= 0:
        return failed(PART, f"{who} has no credits left", "Buy some on BFL's dashboard.")
    return ok(PART, f"{who} takes the key: {amount(left)}")


def _is_sandbox(settings: Settings) -> bool:
    return settings.bfl_origin == settings.bfl_sandbox_url


def _remedy(said: str) -> str:
    if "refuses" in said:
        return "Put a key from BFL's dashboard into BFL_API_KEY of every process."
    return "See that this machine may connect to BFL_API_URL, and that BFL has no outage."
