"""Bucket providers: their usual environment variables, credentials and time limits."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import MemoryStore, from_url

from jobs.domain.errors import InvalidSettings
from jobs.domain.retry_policy import RetryPolicy
from jobs.net.ip import is_loopback_host
from jobs.storage.limits import RequestLimits

CONNECT_TIMEOUT = timedelta(seconds=5)
STREAM_TIMEOUT = timedelta(days=1)  # a client may read slowly; READ_TIMEOUT bounds the bucket
READ_TIMEOUT = timedelta(seconds=20)
UPLOAD_SECONDS = 40.0  # of a part of an upload, at 250 kB/s
# Carried out by the client of the bucket, whose jitter is its own.
REQUEST_RETRIES = RetryPolicy(first_seconds=0.1, longest_seconds=15.0, growth=2.0)

# Options of each provider and their variables; the first variable that is set counts.
# obstore finds roles and tokens of the platform by itself.
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "s3": {
        "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
        "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "aws_session_token": ("AWS_SESSION_TOKEN",),
        "aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
        "aws_endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        "aws_virtual_hosted_style_request": ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST",),
    },
    "gs": {
        "google_service_account": ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"),
        "google_service_account_key": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
        "google_application_credentials": ("GOOGLE_APPLICATION_CREDENTIALS",),
    },
    "az": {
        "azure_storage_account_name": ("AZURE_STORAGE_ACCOUNT_NAME",),
        "azure_storage_account_key": ("AZURE_STORAGE_ACCOUNT_KEY",),
        "azure_storage_sas_key": ("AZURE_STORAGE_SAS_KEY",),
        "azure_storage_client_id": ("AZURE_STORAGE_CLIENT_ID", "AZURE_CLIENT_ID"),
        "azure_storage_client_secret": ("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
        "azure_storage_tenant_id": ("AZURE_STORAGE_TENANT_ID", "AZURE_TENANT_ID"),
        "azure_endpoint": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    },
    "memory": {},
}


class Provider:
    """Open the bucket of a URL. Raises InvalidSettings for errors that need no request."""

    def __init__(self, url: str, variables: Mapping[str, str], limits: RequestLimits) -> None:
        self.scheme = urlsplit(url).scheme
        self.prefix = unquote(urlsplit(url).path).strip("/")
        self._url = url
        self._limits = limits
        self._config = _provider_options(self.scheme, variables)
        endpoint = self._config.get("aws_endpoint", "")
        self._allow_http = endpoint.lower().startswith("http://")
        is_http_forbidden = variables.get("AWS_ALLOW_HTTP", "").lower() in ("0", "no", "false")
        try:
            is_local = is_loopback_host(urlsplit(endpoint).hostname or "")
        except ValueError:
            raise InvalidSettings("AWS_ENDPOINT_URL: it is not a URL") from None
        if self._allow_http and is_http_forbidden and not is_local:
            why = "plain http beyond loopback is forbidden by AWS_ALLOW_HTTP"
            raise InvalidSettings(f"AWS_ENDPOINT_URL: {why}")
        self._memory: MemoryStore | None = None
        if self.scheme == "memory":
            self._memory = MemoryStore()

    def open(self, *, streaming: bool = False, uploading: bool = False) -> Any:
        """Open an obstore store; a streaming one limits silence instead of the whole request."""
        if self._memory:
            return self._memory
        seconds = self._limits.seconds
        if uploading:
            seconds = max(seconds, UPLOAD_SECONDS)
        longest = timedelta(seconds=seconds)
        client: dict[str, Any] = {
            "allow_http": self._allow_http,
            "connect_timeout": min(CONNECT_TIMEOUT, longest),
            "timeout": longest,
        }
        if streaming:
            client["timeout"] = STREAM_TIMEOUT
            client["read_timeout"] = min(READ_TIMEOUT, longest)
        retries: Any = {
            "max_retries": self._limits.retries,
            "retry_timeout": longest,
            "backoff": {
                "init_backoff": timedelta(seconds=REQUEST_RETRIES.first_seconds),
                "max_backoff": timedelta(seconds=REQUEST_RETRIES.longest_seconds),
                "base": REQUEST_RETRIES.growth,
            },
        }
        options: dict[str, Any] = {"client_options": client, "retry_config": retries}
        try:
            return from_url(self._url, config=cast(Any, self._config), **options)
        except (BaseError, ValueError, OSError) as error:
            reason = str(error).partition("\n")[0]
            message = "MEDIA_URL: the bucket cannot be used"
            # The reason may quote a value that is secret.
            if not any(value in reason for value in self._config.values()):
                message = f"{message}: {reason}"
            raise InvalidSettings(message) from None


def _provider_options(scheme: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The options of a provider that variables set; of several names the first one counts."""
    options = dict[str, str]()
    for option, names in OPTIONS[scheme].items():
        for name in names:
            if name in variables:
                options[option] = variables[name]
                break
    return options


def sends_plain_http(url: str, variables: Mapping[str, str]) -> bool:
    """Whether media and signatures go unencrypted to a bucket on another machine."""
    endpoint = urlsplit(_provider_options(urlsplit(url).scheme, variables).get("aws_endpoint", ""))
    return endpoint.scheme.lower() == "http" and not is_loopback_host(endpoint.hostname or "")
