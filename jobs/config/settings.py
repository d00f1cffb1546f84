"""Settings from the environment: frozen, and validated before the start."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator

from jobs.bfl.hosts import api_origin, region_of
from jobs.config import environment, fields
from jobs.config.api_keys import ApiKey
from jobs.config.redis_url import RedisUrl
from jobs.domain.budgets import Budget
from jobs.domain.chat_messages import is_chat_webhook
from jobs.domain.errors import InvalidSettings
from jobs.domain.polling_policy import Timeouts
from jobs.domain.retention import DAY_SECONDS, NEVER, Cutoffs
from jobs.net.urls import Origin

SECRET_MIN_CHARS = 16
BFL_KEY_START = "bfl_"
ODD_BFL_KEY = f"does not begin with {BFL_KEY_START}, as BFL's keys do"


class Settings(
    fields.LogSettings,
    fields.NotificationSettings,
    fields.MediaSettings,
    fields.ProcessSettings,
    fields.WebSettings,
    fields.KeySettings,
    fields.BflSettings,
):
    """All settings, validated; pydantic takes the fields of the last base class first."""

    @field_validator("webhook_secret", "secret_key", "api_keys")
    @classmethod
    def _long_secrets(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse secrets that can be guessed, except with a sandbox for BFL."""
        secrets = [one.key if isinstance(one, ApiKey) else one for one in given]
        shortest = min(len(secret.get_secret_value()) for secret in secrets)
        if shortest < SECRET_MIN_CHARS and not info.data.get("bfl_sandbox_url"):
            raise ValueError(
                f"must have at least {SECRET_MIN_CHARS} characters; make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return given

    @field_validator("api_keys", "notify_url")
    @classmethod
    def _items_differ(cls, given: Any, info: ValidationInfo) -> Any:
        if len({one.digest for one in given}) != len(given):
            what = "key" if info.field_name == "api_keys" else "URL"
            raise ValueError(f"the same {what} stands there twice")
        return given

    @field_validator("api_keys")
    @classmethod
    def _names_own(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        # By name: a key that replaces one with `own`, without it, must not see more.
        own = {key.name for key in keys if key.own}
        return tuple(key._replace(own=key.name in own) for key in keys)

    @field_validator("bfl_api_keys")
    @classmethod
    def _by_key_name(cls, given: dict[str, SecretStr], info: ValidationInfo) -> Any:
        """BFL's keys by the names of the API keys that their variables name."""
        names: dict[str, set[str]] = {}
        for key in info.data.get("api_keys", ()):
            names.setdefault(key.name.upper().replace("-", "_"), set()).add(key.name)
        if "FILE" in names:
            raise ValueError("BFL_API_KEY_FILE is a file's: no key in API_KEYS may be named file")
        for name in given:
            found = " or ".join(sorted(names.get(name, ())))
            if len(names.get(name, ())) != 1 and "api_keys" in info.data:
                whose = f"could be that of {found}: rename one" if found else "is of no API key"
                raise ValueError(f"BFL_API_KEY_{name} {whose}")
        return {"".join(names.get(name, ())): key for name, key in given.items()}

    @field_validator("bfl_api_url")
    @classmethod
    def _bfl_host(cls, url: str, info: ValidationInfo) -> str:
        if url:
            api_origin(url, info.data.get("bfl_sandbox_url", ()))
        return url

    @field_validator("notify_url", "notify_hosts")
    @classmethod
    def _can_be_signed(cls, value: Any, info: ValidationInfo) -> Any:
        is_signed = any(
            isinstance(one, str) or not is_chat_webhook(str(one.parsed)) for one in value
        )
        # An invalid secret has its own error, which is enough.
        if is_signed and not info.data.get("notify_secret", True):
            raise ValueError("needs NOTIFY_SECRET, which signs what is sent")
        return value

    @property
    def has_bfl_key(self) -> bool:
        return bool(self.bfl_api_key or self.bfl_api_keys)

    @property
    def odd_bfl_keys(self) -> list[str]:
        """The variables of BFL keys that do not look like one; a sandbox takes any."""
        if self.has_sandbox:
            return []
        variables = {name: environment.bfl_key_variable(name) for name in self.bfl_api_keys}
        keys = {variables[name]: key for name, key in self.bfl_api_keys.items()}
        if self.bfl_api_key:
            keys[environment.bfl_key_variable("")] = self.bfl_api_key
        return sorted(
            variable
            for variable, key in keys.items()
            if not key.get_secret_value().startswith(BFL_KEY_START)
        )

    @property
    def bfl_accounts(self) -> dict[str, str | None]:
        """By API key with a BFL key of its own: the first that has the same; None: BFL_API_KEY."""
        first: dict[str, str | None] = {}
        if self.bfl_api_key:
            first[self.bfl_api_key.get_secret_value()] = None
        return {
            name: first.setdefault(key.get_secret_value(), name)
            for name, key in sorted(self.bfl_api_keys.items())
        }

    @property
    def budgets(self) -> dict[str, tuple[Budget, ...]]:
        """By the name of the API keys that share them."""
        found: dict[str, tuple[Budget, ...]] = {}
        for key in self.api_keys:
            found[key.name] = tuple(dict.fromkeys((*found.get(key.name, ()), *key.budgets)))
        return {name: budgets for name, budgets in found.items() if budgets}

    @property
    def timeouts(self) -> Timeouts:
        after, at_most = self.give_up_after, self.give_up_at_most
        return Timeouts(self.callback_grace, after, at_most, has_webhook=self.bfl_reaches_us)

    def cutoffs(self, now: float) -> Cutoffs:
        is_default = "retain_jobs_days" not in self.model_fields_set
        jobs_days = None if is_default and self.database_url else self.retain_jobs_days
        periods = (self.retain_media_days, jobs_days)  # None means forever
        return Cutoffs(*(NEVER if days is None else now - days * DAY_SECONDS for days in periods))

    @property
    def redis(self) -> RedisUrl:
        return RedisUrl.parse(self.redis_url.get_secret_value())

    @property
    def base_url(self) -> str:
        """The URL at which users reach this installation."""
        return self.public_url or f"http://127.0.0.1:{self.port}"

    @property
    def storage_url(self) -> str:
        return self.media_url or Path("var/media").absolute().as_uri()

    @property
    def bfl_origin(self) -> Origin:
        """BFL's API: the sandbox replaces it unless BFL_API_URL names a host."""
        if not self.bfl_api_url and self.bfl_sandbox_url:
            return self.bfl_sandbox_url[0]
        return api_origin(self.bfl_api_url or "global", self.bfl_sandbox_url)

    @property
    def has_sandbox(self) -> bool:
        return self.bfl_origin in self.bfl_sandbox_url

    @property
    def region(self) -> str | None:
        """The region that BFL_API_URL names; no data of a job leaves it."""
        return region_of(self.bfl_origin.host)

    @property
    def bfl_reaches_us(self) -> bool:
        """Whether BFL can call us about jobs that we submit; a sandbox can in any case."""
        return bool(self.public_url) or self.has_sandbox


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises InvalidSettings naming each wrong variable, never its value."""
    values: dict[str, Any] = dict(environment.read(environ, Settings.model_fields))
    values["MEDIA_OPTIONS"] = {
        name: value
        for name, value in values.items()
        if name.startswith(environment.PROVIDER_PREFIXES)
    }
    prefix = environment.BFL_KEY_PREFIX  # the rest of the variable's name is that of an API key
    values["BFL_API_KEYS"] = {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix) and not name.endswith("_FILE")
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
    # One for each variable: a wrong item of a list makes the list too short besides.
    sentences: dict[str, str] = {}
    for problem in problems:
        name = str(problem["loc"][0])
        if name == "BFL_API_KEYS" and problem["loc"][1:]:
            name = f"{prefix}{problem['loc'][1]}"
        what = "is missing" if problem["type"] == "missing" else problem["msg"]
        sentences.setdefault(name, f"{name}: {what.removeprefix('Value error, ')}")
    raise InvalidSettings(*sentences.values()) from None
