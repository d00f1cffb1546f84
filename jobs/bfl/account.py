"""Standing of the BFL account after a 401, 402 or 403: all submissions stop, or only some."""

from enum import Enum, auto

from jobs.bfl import parsing
from jobs.bfl import submissions as bfl_submissions
from jobs.bfl.client import BflClient
from jobs.errors import BflUnavailable, InvalidReport

# With so much left, a 402 is about an expensive model or prompt, not about the account.
AMPLE_CREDITS = 100.0

REASONS = {
    bfl_submissions.NO_CREDITS: "BFL says that the credits are used up",
    **dict.fromkeys(bfl_submissions.KEY_REFUSED, "BFL refuses the API key"),
}


class AccountStatus(Enum):
    """What a request for the credits says about the account."""

    GOOD = auto()
    BAD = auto()
    UNCLEAR = auto()


def check(api: BflClient) -> AccountStatus:
    """Ask BFL for the credits, before one refusal stops everything."""
    try:
        answer = api.credits()
        if answer.key_refused:
            return AccountStatus.BAD
        left = parsing.credits_left(answer.body)
    except (BflUnavailable, InvalidReport):
        return AccountStatus.UNCLEAR
    if left <= 0:
        return AccountStatus.BAD
    return AccountStatus.GOOD if answer.good and left >= AMPLE_CREDITS else AccountStatus.UNCLEAR
