"""How many credits are left at BFL, or the plain reason why that is not known."""

from jobs.bfl import parsing
from jobs.bfl.client import Api
from jobs.errors import BflUnavailable, InvalidReport


def balance(api: Api) -> float:
    """Raises BflUnavailable with a sentence for whoever runs this installation."""
    try:
        answer = api.credits()
    except BflUnavailable as error:
        raise BflUnavailable(f"no answer from {api.origin}: {error}") from None
    if answer.key_refused:
        raise BflUnavailable("BFL refuses the key in BFL_API_KEY")
    if not answer.good:
        raise BflUnavailable(f"BFL answered {answer.status}")
    try:
        return parsing.credits_left(answer.body)
    except InvalidReport as error:
        raise BflUnavailable(f"BFL's answer cannot be understood: {error}") from None


def amount(credits_left: float) -> str:
    """A credit is a cent (BFL's docs)."""
    sign, dollars = "-" * (credits_left < 0), f"{abs(credits_left) / 100:,.2f}"
    return f"{credits_left:,.2f}".removesuffix(".00") + f" credits ({sign}${dollars})"
