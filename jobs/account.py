"""What a refusal of the account means: that nothing can be submitted, or only not this."""

from enum import Enum, auto

from jobs import bfl
from jobs import bfl_submissions as dialect
from jobs.api import Api
from jobs.errors import BadReport, BflUnavailable

# A refusal for lack of credits is about a dear model or prompt only if so much is left.
PLENTY_CREDITS = 100.0

REASONS = {
    dialect.NO_CREDITS: "BFL says that the credits are used up",
    **dict.fromkeys(dialect.KEY_REFUSED, "BFL refuses the API key"),
}


class Standing(Enum):
    """What BFL says of the account when it is asked about nothing else."""

    GOOD = auto()
    BAD = auto()
    UNCLEAR = auto()


def standing(api: Api) -> Standing:
    """Asks BFL for the credits, before one refusal stops everything."""
    try:
        answer = api.credits()
        if answer.key_refused:
            return Standing.BAD
        left = bfl.credits_left(answer.body)
    except (BflUnavailable, BadReport):
        return Standing.UNCLEAR
    if left <= 0:
        return Standing.BAD
    return Standing.GOOD if answer.good and left >= PLENTY_CREDITS else Standing.UNCLEAR
