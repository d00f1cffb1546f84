"""Status of the BFL account after a 401, 402 or 403: block all submissions, or one model."""

from enum import Enum, auto

from jobs.bfl import parsing
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.client import BflClient
from jobs.errors import BflUnavailable, InvalidReport

# With this many credits, a 402 concerns an expensive model or prompt, not the account.
AMPLE_CREDITS = 100.0

REASONS = {
    bfl_submissions.NO_CREDITS: "BFL says that the credits are used up",
    **dict.fromkeys(bfl_submissions.KEY_REFUSED, "BFL refuses the API key"),
}


class AccountStatus(Enum):
    """Status of the account, derived from its credits."""

    GOOD = auto()
    BAD = auto()
    UNCLEAR = auto()


def check(api: BflClient) -> AccountStatus:
    """Request the credits before one refusal blocks all submissions."""
    try:
        answer = api.credits()
        if answer.is_key_refused:
            return AccountStatus.BAD
        left = parsing.credits_left(answer.body)
    except (BflUnavailable, InvalidReport):
        return AccountStatus.UNCLEAR
    if left <= 0:
        return AccountStatus.BAD
    return AccountStatus.GOOD if answer.is_ok and left >= AMPLE_CREDITS else AccountStatus.UNCLEAR
