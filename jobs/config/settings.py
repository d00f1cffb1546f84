"""Settings from the environment: frozen, and validated before the start."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import (
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from jobs.bfl.hosts import ANY_HOST, api_origin, region_of
from jobs.config import environment
from jobs.config.api_keys import ApiKey
from jobs.config.fields import SettingFields
from jobs.config.rate_limits import RateLimits
from jobs.config.redis_url import RedisUrl
from jobs.config.values import require_min_length
from jobs.errors import InvalidSettings, UrlRefused
from jobs.net.http_client import is_header_value
from jobs.net.urls import Origin, ParsedUrl, is_host, is_host_pattern, parse, parse_loopback_origin
from jobs.retention import Retention
from jobs.signing import check_notification_secret
from jobs.timeouts import Timeouts

BFL_REGIONS = {
    "global": "https://api.bfl.ai",
    "eu": "https://api.eu.bfl.ai",
    "us": "https://api.us.bfl.ai",
    "eu1": "https://api.eu1.bfl.ai",
    "us1": "https://api.us1.bfl.ai",
}


class Settings(SettingFields):
    """All settings, validated."""

    @field_validator("redis_url")
    @classmethod
    def _redis_form(cls, url: SecretStr) -> SecretStr:
        RedisUrl.parse(url.get_secret_value())
        return url

    @field_validator("webhook_secret", "bfl_api_key")
    @classmethod
    def _sent_as_headers(cls, given: Any) -> Any:
        secrets = given if isinstance(given, tuple) else filter(None, [given])
        if not all(is_header_value(secret.get_secret_value()) for secret in secrets):
            raise ValueError("cannot be an HTTP header: it holds control characters or odd letters")
        return given

    @field_validator("webhook_secret", "secret_key")
    @classmethod
    def _long_secrets(
        cls, secrets: tuple[SecretStr, ...], info: ValidationInfo
    ) -> tuple[SecretStr, ...]:
        require_min_length(secrets, info.data)
        return secrets

    @field_validator("api_keys")
    @classmethod
    def _long_keys(cls, keys: tuple[ApiKey, ...], info: ValidationInfo) -> tuple[ApiKey, ...]:
        require_min_length([key.key for key in keys if not key.is_hashed], info.data)
        return keys

    @field_validator("api_keys")
    @classmethod
    def _keys_differ(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if len({key.digest for key in keys}) != len(keys):
            raise ValueError("the same key stands there twice")
        return keys

    @field_validator("rate_limits")
    @classmethod
    def _for_known_keys(cls, quotas: RateLimits, info: ValidationInfo) -> RateLimits:
        if "api_keys" in info.data:
            quotas.check([key.name for key in info.data["api_keys"]])
        return quotas

    @field_validator("public_url")
    @classmethod
    def _public_origin(cls, url: str) -> str:
        if url and (_is_odd(url) or "?" in url):
            raise ValueError("must be an http or https URL without user, query or fragment")
        return url.rstrip("/")

    @field_validator("bfl_sandbox_url", mode="before")
    @classmethod
    def _sandbox_is_loopback(cls, url: Any) -> Any:
        return parse_loopback_origin(url) if isinstance(url, str) else url

    @field_validator("bfl_api_url")
    @classmethod
    def _bfl_host(cls, url: str, info: ValidationInfo) -> str:
        if url:
            api_origin(BFL_REGIONS.get(url.lower(), url), info.data.get("bfl_sandbox_url"))
        return url

    @field_validator("media_url")
    @classmethod
    def _known_storage(cls, url: str) -> str:
        if url and not re.match(r"(file:///|memory://$|(s3|gs|az)://[^/?#@]+(/|$))", url):
            raise ValueError("must be file:///…, s3://, gs:// or az:// with a bucket, or memory://")
        if not unquote(url).isprintable():
            raise ValueError("must not hold control characters")
        return url

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?", origin):
                raise ValueError("each is * or an origin like https://app.example, in lower case")
        return origins

    @field_validator("delivery_hosts")
    @classmethod
    def _plain_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not is_host_pattern(host):
                raise ValueError(
                    "each is a lower-case host name without scheme or port; "
                    "* stands for a whole label before the last two"
                )
        return hosts

    @field_validator("notify_secret")
    @classmethod
    def _standard_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            check_notification_secret(secret.get_secret_value())
        return secrets

    @field_validator("notify_url")
    @classmethod
    def _plain_url(cls, url: SecretStr | None) -> SecretStr | None:
        try:
            _ = parse(url.get_secret_value()) if url else None
        except UrlRefused:
            raise ValueError("must be a plain http or https URL, its host in lower case") from None
        return url

    @field_validator("notify_hosts")
    @classmethod
    def _hosts_or_any(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(host == ANY_HOST or is_host(host) for host in hosts):
            raise ValueError("each is * or a lower-case host name, without scheme or port")
        return hosts

    @field_validator("notify_url", "notify_hosts")
    @classmethod
    def _can_be_signed(cls, value: Any, info: ValidationInfo) -> Any:
        # An invalid secret has its own error, which is enough.
        if value and not info.data.get("notify_secret", True):
            raise ValueError("needs NOTIFY_SECRET, which signs what is sent")
        return value

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts(self.callback_grace, self.give_up_after, self.give_up_at_most)

    @property
    def retention(self) -> Retention:
        return Retention(self.retain_media_days, self.retain_jobs_days)

    @property
    def redis(self) -> RedisUrl:
        return RedisUrl.parse(self.redis_url.get_secret_value())

    @property
    def base_url(self) -> str:
        """The URL at which users reach this installation."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def notify_address(self) -> ParsedUrl | None:
        return parse(self.notify_url.get_secret_value()) if self.notify_url else None

    @property
    def storage_url(self) -> str:
        return self.media_url or Path("var/media").absolute().as_uri()

    @property
    def bfl_origin(self) -> Origin:
        """BFL's API: the sandbox replaces it unless BFL_API_URL names a host."""
        if not self.bfl_api_url and self.bfl_sandbox_url:
            return self.bfl_sandbox_url
        url = self.bfl_api_url or "global"
        return api_origin(BFL_REGIONS.get(url.lower(), url), self.bfl_sandbox_url)

    @property
    def region(self) -> str | None:
        """The region that BFL_API_URL names; no data of a job leaves it."""
        return region_of(self.bfl_origin.host)

    @property
    def bfl_reaches_us(self) -> bool:
        """Whether BFL can call us about jobs that we submit; a sandbox can in any case."""
        return bool(self.public_url) or self.bfl_origin == self.bfl_sandbox_url


def _is_odd(url: str) -> bool:
    try:
        parse(url.lower())
    except UrlRefused:
        return True
    return False


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (and in development the files that `environment.read` names).

    Raises InvalidSettings naming every variable that is missing or wrong, never its value.
    """
    values: dict[str, Any] = dict(environment.read(environ, Settings.model_fields))
    values["MEDIA_OPTIONS"] = {
        name: value
        for name, value in values.items()
        if name.startswith(environment.PROVIDER_PREFIXES)
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise InvalidSettings(*_sentences(error)) from None


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0])
        what = "is missing" if problem["type"] == "missing" else problem["msg"]
        sentences.append(f"{name}: {what.removeprefix('Value error, ')}")
    return sentences
