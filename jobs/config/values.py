"""Types of settings, with the validation that belongs to each."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

SECRET_MIN_CHARS = 16


def split_list(value: Any) -> Any:
    """Split a list at commas, without empty parts."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def parsed_by(parse: Callable[[str], Any]) -> BeforeValidator:
    """Build a validator that parses text and accepts parsed values."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def parse_days(value: Any) -> Any:
    """Translate `forever` and an empty text to None."""
    never = isinstance(value, str) and value.strip().lower() in ("", "forever")
    return None if never else value


def require_min_length(secrets: Iterable[SecretStr], given: Mapping[str, Any]) -> None:
    """Refuse secrets that can be guessed, except with a sandbox for BFL. Raises ValueError."""
    shortest = min((len(secret.get_secret_value()) for secret in secrets), default=SECRET_MIN_CHARS)
    if shortest < SECRET_MIN_CHARS and given.get("bfl_sandbox_url") is None:
        raise ValueError(
            f"must have at least {SECRET_MIN_CHARS} characters; make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )


def normalize_address(text: str) -> str:
    """Normalize an IP address. Raises ValueError."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address, e.g. 127.0.0.1") from None


IpAddress = Annotated[str, AfterValidator(normalize_address)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(split_list), Field(min_length=1)]
StringList = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Seconds = Annotated[float, Field(gt=0, le=10 * 366 * 86400, allow_inf_nan=False)]
Days = Annotated[
    Annotated[float, Field(gt=0, le=100 * 366, allow_inf_nan=False)] | None,
    BeforeValidator(parse_days),
]
