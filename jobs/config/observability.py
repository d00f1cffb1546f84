"""Settings of logs and Sentry."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

_DSN = re.compile(r"https?://[^@/\s]+@[^@/:\s]+(?::([0-9]{1,5}))?(?:/[^\s?#]*)?/[0-9]+")
_LAST_PORT = 65535


class ObservabilitySettings(BaseModel):
    """The part of the settings for logs and Sentry."""

    model_config = ConfigDict(
        frozen=True, hide_input_in_errors=True, alias_generator=str.upper, populate_by_name=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json`, `text`, or `auto`: text in a terminal, JSON elsewhere."
    )
    sentry_dsn: SecretStr | None = Field(
        None,
        description="Where unexpected errors are reported; needs "
        "deploy/requirements-reporting.txt.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, level: Any) -> Any:
        return level.upper() if isinstance(level, str) else level

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, dsn: SecretStr | None) -> SecretStr | None:
        if dsn and not _is_dsn(dsn.get_secret_value()):
            raise ValueError("must be a DSN as Sentry shows it, https://key@host/number")
        return dsn


def _is_dsn(text: str) -> bool:
    found = _DSN.fullmatch(text)
    return bool(found and int(found[1] or 0) <= _LAST_PORT)
