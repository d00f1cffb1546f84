"""The settings: their types, defaults and descriptions, from which docs/settings.md is generated.

Validation goes in this order, so a setting stands after those that its validator reads.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from jobs.bfl.hosts import ANY_HOST
from jobs.config.api_keys import ApiKey
from jobs.config.concurrency import ConcurrencyLimits
from jobs.config.observability import ObservabilitySettings
from jobs.config.proxies import TrustedProxies
from jobs.config.rate_limits import RateLimits
from jobs.config.values import Days, IpAddress, Seconds, Secrets, StringList, parsed_by, split_list
from jobs.net.urls import Origin
from jobs.timeouts import GIVE_UP_AT_MOST_SECONDS


class SettingFields(ObservabilitySettings):
    """Times are seconds, sizes are bytes."""

    bfl_sandbox_url: Origin | None = Field(
        None, description="Loopback http origin of a sandbox that stands in for BFL."
    )
    webhook_secret: Secrets = Field(
        description="List. Any of them authenticates a callback; you invent it and send it "
        "to BFL with each task. 16 characters or more."
    )
    secret_key: Secrets = Field(
        description="List. The first signs media links, sessions and callback addresses, "
        "all verify. 16 characters or more."
    )
    api_keys: Annotated[
        tuple[Annotated[ApiKey, parsed_by(ApiKey.parse)], ...],
        BeforeValidator(split_list),
        Field(min_length=1),
    ] = Field(
        description="List of `name:key:scope`; a scope is `read`, `submit` or `admin`. "
        "`flask --app receiver keys new` makes an entry that holds a hash "
        "instead of the key."
    )
    rate_limits: Annotated[RateLimits, parsed_by(RateLimits.parse)] = Field(
        default_factory=RateLimits,
        description="Requests that each key may make per `second`, `minute`, `hour` or "
        "`day`; others by the name of a key: "
        "`600/minute,alice=10/second,batch=off`.",
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="`redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://`. With "
        "Sentinels `redis+sentinel://:password@host:26379,host:26379/service/0` "
        "(`rediss+sentinel://` over TLS), their own password as "
        "`?sentinel_password=`. `?max_connections=` (10) is for each process.",
    )
    redis_verify: bool = Field(
        True,
        description="`no` leaves the certificate of a TLS Redis unchecked. Better is "
        "`?ssl_ca_certs=/path/to/ca.pem` at the end of the URL.",
    )
    durability: Literal["memory", "fsync", "replica"] = Field(
        "memory",
        description="Where a callback or request must be on record before it gets a 2xx: in "
        "the `memory` of Redis, on its disk (`fsync`, needs Redis or Valkey "
        "7.2) or on a `replica`. 503 when that is not reached within 2 s.",
    )
    public_url: str = Field(
        "",
        description="Address under which BFL and your apps reach this installation; begins "
        "every media link. Without it links begin with "
        "`http://127.0.0.1:$PORT`, and BFL is polled.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port on which the web process listens.")
    listen_host: IpAddress = Field(
        "0.0.0.0",  # noqa: S104 - in a container that is the only address of use
        description="Address on which the web process listens.",
    )
    forwarded_allow_ips: Annotated[TrustedProxies, parsed_by(TrustedProxies.parse)] = Field(
        TrustedProxies.parse("127.0.0.1,::1"),
        description="List of addresses or networks of the proxies whose `X-Forwarded-` "
        "headers are believed; `*` where only the platform's router can "
        "connect.",
    )
    web_concurrency: int = Field(2, ge=1, le=1000, description="Web processes.")
    worker_concurrency: int = Field(
        4,
        ge=1,
        le=100,
        description="Jobs that one worker process works on at once, each in a thread.",
    )
    bfl_api_key: SecretStr | None = Field(
        None,
        description="BFL's API key, from dashboard.bfl.ai. Without it nothing can be "
        "submitted or polled, and a job without a callback is lost.",
    )
    bfl_api_url: str = Field(  # after the sandbox, which it may name
        "",
        description="`global`, `eu`, `us`, or the URL of a BFL API host; `global` if not "
        "set. With a region nothing of a job goes to a host outside of it.",
    )
    media_url: str = Field(
        "",
        description="Where media are stored: `file:///…`, `s3://`, `gs://`, `az://` or "
        "`memory://` ([storage](storage.md)). If not set, `var/media` in the "
        "working directory.",
    )
    media_options: dict[str, SecretStr] = Field(default_factory=dict)
    media_serve: Literal["redirect", "stream"] = Field(
        "redirect",
        description="How media in a bucket are served: `redirect` to it, or `stream` "
        "through the web process.",
    )
    cors_origins: StringList = Field(
        (), description="List of the origins whose pages may read media by script, or `*`."
    )
    callback_accelerator: bool = Field(
        True, description="`no` leaves all callbacks to Flask, which takes longer for each."
    )
    max_unconfirmed: int = Field(
        1000,
        ge=1,
        description="Jobs that one key may have announced and that BFL has never confirmed; "
        "the next gets 429.",
    )
    callback_grace: Seconds | None = Field(
        None,
        description="Seconds since the last sign of life before BFL is polled. If not set, "
        "by the model: 10 (klein) to 1800 (video), mostly 60.",
    )
    give_up_after: Seconds = Field(
        3600.0, description="Seconds without a sign of life from BFL until a job is `lost`."
    )
    give_up_at_most: Seconds = Field(
        GIVE_UP_AT_MOST_SECONDS,
        description="Seconds until a job is `lost` although BFL still calls it pending.",
    )
    max_active: Annotated[ConcurrencyLimits, parsed_by(ConcurrencyLimits.parse)] = Field(
        default_factory=ConcurrencyLimits,
        description="Tasks active at BFL at once, in total and by model. What is not named "
        "stays as here.",
    )
    max_media_bytes: int = Field(2**30, gt=0, description="Larger files are refused.")
    link_ttl: Seconds = Field(86400.0, description="Seconds that a media link lives.")
    link_ttl_max: Seconds = Field(
        7 * 86400.0, description="The most seconds that `?link_ttl=` may ask for."
    )
    retain_media_days: Days = Field(
        None,
        description="Days from the end of a job until its media are deleted; fractions "
        "count. If not set, they stay.",
    )
    retain_jobs_days: Days = Field(
        30.0,
        description="Days from the end of a job until its record is deleted; `forever` or "
        "empty keeps all.",
    )
    keep_inputs: bool = Field(
        True,
        description="`no` forgets the input of a job (prompt, parameters, images) once BFL has it. "
        "Otherwise it is deleted with the job's media.",
    )
    delivery_hosts: StringList = Field(
        (),
        description="List of further hosts that media may come from; `*` stands for one "
        "whole label (`*.cdn.example.com`).",
    )
    notify_secret: Annotated[tuple[SecretStr, ...], BeforeValidator(split_list)] = Field(
        (),
        description="List of `whsec_` secrets; all of them sign. Without it no notification "
        "is sent and a `notify_url` is refused.",
    )
    notify_url: SecretStr | None = Field(
        None,
        description="URL that is notified of every job's end; may be http or private.",
    )
    notify_hosts: StringList = Field(
        (ANY_HOST,),
        description="List of the hosts that a job's `notify_url` may name; `*` is any "
        "public https host.",
    )
