"""Standing of the BFL account after a 401, 402 or 403: all submissions stop, or only some."""

from enum import Enum, auto

from jobs.bfl import parsing
from jobs.bfl import submissions as dialect
from jobs.bfl.client import Api
from jobs.errors import BflUnavailable, InvalidReport

# With so much left, a 402 is about an expensive model or prompt, not about the account.
PLENTY_CREDITS = 100.0

REASONS = {
    dialect.NO_CREDITS: "BFL says that the credits are used up",
    **dict.fromkeys(dialect.KEY_REFUSED, "BFL refuses the API key"),
}


class Standing(Enum):
    """What a request for the credits says about the account."""

    GOOD = auto()
    BAD = auto()
    UNCLEAR = auto()


def standing(api: Api) -> Standing:
    """Ask BFL for the credits, before one refusal stops everything."""
    try:
        answer = api.credits()
        if answer.key_refused:
            return Standing.BAD
        left = parsing.credits_left(answer.body)
    except (BflUnavailable, InvalidReport):
        return Standing.UNCLEAR
    if left <= 0:
        return Standing.BAD
    return Standing.GOOD if answer.good and left >= PLENTY_CREDITS else Standing.UNCLEAR
