"""What the operator decides about logs, Sentry and traces."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

_DSN = re.compile(r"https?://[^@/\s]+@[^@/:\s]+(?::([0-9]{1,5}))?(?:/[^\s?#]*)?/[0-9]+")
_LAST_PORT = 65535


class Reporting(BaseModel):
    """The part of the settings that says what is told of our work, and to whom."""

    model_config = ConfigDict(
        frozen=True, hide_input_in_errors=True, alias_generator=str.upper, populate_by_name=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "json", "text"] = "auto"  # text where a person reads along
    sentry_dsn: SecretStr | None = None
    # OpenTelemetry's own names; its SDK reads all the others itself.
    otel_sdk_disabled: bool = False
    otel_exporter_otlp_endpoint: str = ""
    otel_exporter_otlp_traces_endpoint: str = ""
    otel_service_name: str = "fluxkeep"

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

    @field_validator("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint")
    @classmethod
    def _over_http(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
            raise ValueError("must be an http or https URL; OTLP over HTTP is what is spoken")
        return url

    @property
    def traced(self) -> bool:
        """Whether there is somebody who wants our traces."""
        return bool(self.traces_endpoint) and not self.otel_sdk_disabled

    @property
    def traces_endpoint(self) -> str:
        """Where spans are posted to, by the rule of OpenTelemetry's specification."""
        base = self.otel_exporter_otlp_endpoint.rstrip("/")
        return self.otel_exporter_otlp_traces_endpoint or (base and f"{base}/v1/traces")

    @property
    def traces_variable(self) -> str:
        """Which variable it is that wants traces."""
        kind = "TRACES_" if self.otel_exporter_otlp_traces_endpoint else ""
        return f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT"


def _is_dsn(text: str) -> bool:
    found = _DSN.fullmatch(text)
    return bool(found and int(found[1] or 0) <= _LAST_PORT)
