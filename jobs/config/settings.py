"""Settings from the environment: frozen, and validated before the start."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator

from jobs.bfl.hosts import api_origin, region_of
from jobs.config import environment, fields, platform_defaults
from jobs.config.api_keys import ApiKey
from jobs.config.redis_url import RedisUrl
from jobs.config.values import NotifyUrl
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
    def _long_secrets(cls, items: Any, info: ValidationInfo) -> Any:
        """Refuse secrets that can be guessed, except with a sandbox for BFL."""
        lengths = []
        for item in items:
            secret = item.key if isinstance(item, ApiKey) else item
            lengths.append(len(secret.get_secret_value()))
        shortest = min(lengths)
        if shortest < SECRET_MIN_CHARS and not info.data.get("bfl_sandbox_url"):
            raise ValueError(
                f"must have at least {SECRET_MIN_CHARS} characters; make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return items

    @field_validator("api_keys", "notify_url")
    @classmethod
    def _items_differ(cls, items: Any, info: ValidationInfo) -> Any:
        digests = {item.digest for item in items}
        if len(digests) != len(items):
            kind = "key" if info.field_name == "api_keys" else "URL"
            raise ValueError(f"the same {kind} stands there twice")
        return items

    @field_validator("api_keys")
    @classmethod
    def _own_jobs_by_name(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        """Limit all keys of a name to its own jobs if one key of that name is limited.

        A key without `own` may replace a key with `own`: it must not see more.
        """
        limited_names = {key.name for key in keys if key.sees_own_jobs_only}
        keys_by_name = []
        for key in keys:
            keys_by_name.append(key._replace(sees_own_jobs_only=key.name in limited_names))
        return tuple(keys_by_name)

    @field_validator("bfl_api_keys")
    @classmethod
    def _by_key_name(cls, bfl_keys: dict[str, SecretStr], info: ValidationInfo) -> Any:
        """BFL's keys by the names of the API keys that their variables name."""
        if "api_keys" not in info.data:
            return {}  # API_KEYS has an error of its own, which is enough
        # Two names can have one variable: `a-b` and `a_b`.
        names_of_variable: dict[str, set[str]] = {}
        for api_key in info.data["api_keys"]:
            variable = environment.bfl_key_variable(api_key.name)
            names_of_variable.setdefault(variable, set()).add(api_key.name)
        if "BFL_API_KEY_FILE" in names_of_variable:
            raise ValueError("BFL_API_KEY_FILE is a file's: no key in API_KEYS may be named file")
        bfl_key_of_name = {}
        for suffix, bfl_key in bfl_keys.items():
            variable = environment.BFL_KEY_PREFIX + suffix
            names = sorted(names_of_variable.get(variable, ()))
            if not names:
                raise ValueError(f"{variable} is of no API key")
            if len(names) > 1:
                listed = " or ".join(names)
                raise ValueError(f"{variable} could be that of {listed}: rename one")
            bfl_key_of_name[names[0]] = bfl_key
        return bfl_key_of_name

    @field_validator("bfl_api_url")
    @classmethod
    def _bfl_host(cls, url: str, info: ValidationInfo) -> str:
        if url:
            api_origin(url, info.data.get("bfl_sandbox_url", ()))
        return url

    @field_validator("notify_url", "notify_hosts")
    @classmethod
    def _can_be_signed(cls, value: Any, info: ValidationInfo) -> Any:
        # An invalid secret has its own error, which is enough.
        has_secret = bool(info.data.get("notify_secret", True))
        if not has_secret and any(_is_signed(item) for item in value):
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
        keys = dict(self.bfl_api_keys)
        if self.bfl_api_key:
            keys[""] = self.bfl_api_key
        odd_variables = []
        for name, key in keys.items():
            if not key.get_secret_value().startswith(BFL_KEY_START):
                odd_variables.append(environment.bfl_key_variable(name))
        return sorted(odd_variables)

    @property
    def bfl_accounts(self) -> dict[str, str | None]:
        """The account of each API key with a BFL key of its own.

        An account has the name of the first API key with this BFL key; None is that of BFL_API_KEY.
        """
        account_of_bfl_key: dict[str, str | None] = {}
        if self.bfl_api_key:
            account_of_bfl_key[self.bfl_api_key.get_secret_value()] = None
        accounts: dict[str, str | None] = {}
        for name, bfl_key in sorted(self.bfl_api_keys.items()):
            accounts[name] = account_of_bfl_key.setdefault(bfl_key.get_secret_value(), name)
        return accounts

    @property
    def budgets(self) -> dict[str, tuple[Budget, ...]]:
        """Budgets by the name of the API keys that share them, each once."""
        budgets_of_name: dict[str, tuple[Budget, ...]] = {}
        for key in self.api_keys:
            for budget in key.budgets:
                budgets = budgets_of_name.get(key.name, ())
                if budget not in budgets:
                    budgets_of_name[key.name] = (*budgets, budget)
        return budgets_of_name

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts(
            callback_grace=self.callback_grace,
            give_up_after=self.give_up_after,
            give_up_at_most=self.give_up_at_most,
            has_webhook=self.bfl_reaches_us,
        )

    def cutoffs(self, now: float) -> Cutoffs:
        """Until when jobs must have ended for their media, and their records, to be deleted now."""
        jobs_days = self.retain_jobs_days
        is_default = "retain_jobs_days" not in self.model_fields_set
        if is_default and self.database_url:
            jobs_days = None
        return Cutoffs(media=_cutoff(now, self.retain_media_days), jobs=_cutoff(now, jobs_days))

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
    configured = environment.read(environ, Settings.model_fields)
    values: dict[str, Any] = dict(platform_defaults.fill_in(configured))
    values["MEDIA_OPTIONS"] = _provider_options(values)
    values["BFL_API_KEYS"] = _bfl_keys_by_suffix(values)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
    # One sentence for each variable: a wrong item of a list makes the list too short besides.
    sentence_of_variable: dict[str, str] = {}
    for problem in problems:
        variable = _variable(problem["loc"])
        complaint = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            complaint = "is missing"
        sentence_of_variable.setdefault(variable, f"{variable}: {complaint}")
    raise InvalidSettings(*sentence_of_variable.values()) from None


def _provider_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of bucket providers."""
    return {
        name: value
        for name, value in values.items()
        if name.startswith(environment.PROVIDER_PREFIXES)
    }


def _bfl_keys_by_suffix(values: Mapping[str, Any]) -> dict[str, Any]:
    """BFL's keys of single API keys, by the end of the variable's name, which is an API key's."""
    bfl_keys = {}
    for variable, value in values.items():
        if variable.startswith(environment.BFL_KEY_PREFIX) and not variable.endswith("_FILE"):
            bfl_keys[variable.removeprefix(environment.BFL_KEY_PREFIX)] = value
    return bfl_keys


def _variable(location: tuple[int | str, ...]) -> str:
    """The variable that a problem of pydantic is about."""
    setting = str(location[0])
    if setting == "BFL_API_KEYS" and len(location) > 1:
        return f"{environment.BFL_KEY_PREFIX}{location[1]}"
    return setting


def _is_signed(target: NotifyUrl | str) -> bool:
    """Whether notifications of a URL, or of a host, are signed; chat services verify nothing."""
    return isinstance(target, str) or not is_chat_webhook(str(target.parsed))


def _cutoff(now: float, days: float | None) -> float:
    """The time some days ago; None means forever."""
    if days is None:
        return NEVER
    return now - days * DAY_SECONDS
