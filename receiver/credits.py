"""Credits of the BFL account, for the command line, the checks and the health page."""

from jobs.bfl import parsing
from jobs.bfl.client import BflClient
from jobs.errors import BflUnavailable, InvalidReport


def balance(api: BflClient) -> float:
    """Credits left. Raises BflUnavailable with a sentence for the operator."""
    try:
        answer = api.credits()
    except BflUnavailable as error:
        raise BflUnavailable(f"no answer from {api.origin}: {error}") from None
    if answer.is_key_refused:
        raise BflUnavailable("BFL refuses the key in BFL_API_KEY")
    if not answer.is_ok:
        raise BflUnavailable(f"BFL answered {answer.status}")
    try:
        return parsing.credits_left(answer.body)
    except InvalidReport as error:
        raise BflUnavailable(f"BFL's answer is not valid: {error}") from None


def amount(credits_left: float) -> str:
    """`1,234 credits ($12.34)`; a credit is a US cent (BFL's docs)."""
    sign, dollars = "-" * (credits_left < 0), f"{abs(credits_left) / 100:,.2f}"
    return f"{credits_left:,.2f}".removesuffix(".00") + f" credits ({sign}${dollars})"
