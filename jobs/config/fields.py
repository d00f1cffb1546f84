"""The settings: their types, defaults and descriptions, from which docs/settings.md is generated.

A class for each of its tables. Validation goes in the order of the classes, so a setting stands
after those that its validator reads. Times are seconds, sizes are bytes.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from jobs.bfl.hosts import ANY_HOST
from jobs.config import units, values
from jobs.config.api_keys import ApiKey
from jobs.config.quotas import DEFAULT_RATE, ConcurrencyLimits, RateLimit
from jobs.domain.polling_policy import GIVE_UP_AT_MOST_SECONDS
from jobs.net.urls import PORT_MAX, Origin, parse_loopback_origin


class SettingGroup(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=str.upper,
        use_attribute_docstrings=True,
    )


class BflSettings(SettingGroup):
    """BFL."""

    bfl_sandbox_url: Annotated[
        tuple[Annotated[Origin, values.parsed_by(parse_loopback_origin)], ...],
        values.parsed_by(values.split_list),
    ] = ()
    """List of the loopback http origins of a sandbox that stands in for BFL: its global host, then
    clusters that know their own tasks alone."""
    bfl_api_key: Annotated[SecretStr | None, values.SENT_AS_HEADER] = None
    """BFL's API key, from https://dashboard.bfl.ai/get-started. Without it nothing can be
    submitted or polled, and a job without a callback is lost."""
    bfl_api_url: str = ""
    """`global`, `eu`, `us`, or the URL of a BFL API host; `global` if not set. With a region
    nothing of a job goes to a host outside of it."""
    bfl_openapi: bool = True
    """`no` reads BFL's OpenAPI document from this release alone. Otherwise the sweep asks BFL for
    it once a day, without a key, so that new models and fields are in the form."""
    max_active: Annotated[ConcurrencyLimits, values.parsed_by(ConcurrencyLimits.parse)] = Field(
        default_factory=ConcurrencyLimits
    )
    """Tasks active at BFL at once, in total and by model, for each BFL key. What is not named stays
    as here; `flux-tools/video-…` take the slots of `flux-3-video`. BFL counts by account: of
    several keys of one account each gets its part."""
    max_announced: int = Field(1000, ge=1)
    """Jobs that one key may have announced and that BFL has never confirmed; the next gets
    429."""
    callback_grace: values.Seconds | None = None
    """Seconds since the last sign of life before BFL is polled. If not set, by the model: 10
    (klein) to 540 (video), mostly 60."""
    give_up_after: values.Seconds = 3600.0
    """Seconds without a sign of life from BFL until a job is `lost`."""
    give_up_at_most: values.Seconds = GIVE_UP_AT_MOST_SECONDS
    """Seconds until a job is `lost` although BFL still calls it pending."""
    delivery_hosts: Annotated[values.StringList, values.HOST_PATTERN] = ()
    """List of further hosts that media may come from; `*` stands for one whole label
    (`*.cdn.example.com`)."""


class KeySettings(SettingGroup):
    """Secrets and keys."""

    webhook_secret: Annotated[values.Secrets, values.SENT_AS_HEADER] = Field(min_length=1)
    """List. Any of them authenticates a callback; you invent it and send it to BFL with each
    task. 16 characters or more. If not set, it is derived from SECRET_KEY, and
    `flask --app receiver keys derived` shows it."""
    secret_key: values.Secrets = Field(min_length=1)
    """List. The first signs media links, sessions and callback addresses, all verify. 16
    characters or more."""
    api_keys: Annotated[
        tuple[Annotated[ApiKey, values.parsed_by(ApiKey.parse)], ...],
        values.parsed_by(values.split_list),
    ] = Field(min_length=1)
    """List of `name:key:scope`; a scope is `read`, `submit` or `admin`. With `:own` behind it a
    key sees only jobs of its name, which all keys of that name share. `:budget=500/month` limits
    the credits that jobs of its name may cost in an `hour`, `day`, `week` or `month` (UTC); it
    may be repeated, and all processes need it. `flask --app receiver keys new` makes an entry that
    holds a hash instead of the key."""
    bfl_api_keys: dict[str, Annotated[SecretStr, values.SENT_AS_HEADER]] = Field(
        default_factory=dict
    )
    rate_limit: Annotated[RateLimit | None, values.parsed_by(RateLimit.parse)] = DEFAULT_RATE
    """Requests that each key may make per `second`, `minute`, `hour` or `day`; or `off`."""


class WebSettings(SettingGroup):
    """Web."""

    public_url: Annotated[str, values.PUBLIC_URL, AfterValidator(values.normalize_url)] = ""
    """Address under which BFL and your apps reach this installation; begins every media link. If
    not set, the one that Heroku, Render, Railway or Fly tells the process. Without
    one links begin with the host that their own reader asked, in notifications with
    `http://127.0.0.1:$PORT`, and BFL is polled."""
    listen_host: values.IpAddress = "0.0.0.0"  # noqa: S104 - the only one of use in a container
    """Address on which the web process listens."""
    port: int = Field(8000, ge=0, le=PORT_MAX)
    """Port on which the web process listens."""
    web_concurrency: int = Field(2, ge=1, le=1000)
    """Web processes."""
    keep_alive: Annotated[int, Field(ge=1, le=3600), BeforeValidator(units.whole_seconds)] = 95
    """Seconds that an idle connection stays open. More than your router keeps its own, or it
    sends a callback on a connection that has just ended ([deploy](deploy.md))."""
    forwarded_allow_ips: Annotated[
        values.TrustedProxies, values.parsed_by(values.TrustedProxies.parse)
    ] = values.TrustedProxies.parse("127.0.0.1,::1")
    """List of addresses or networks of the proxies whose `X-Forwarded-` headers are believed;
    `*` where only the platform's router can connect, as on Heroku, Render, Railway and Fly, where
    it is the default."""
    cors_origins: Annotated[values.StringList, values.CORS_ORIGINS] = ()
    """List of the origins whose pages may read media by script, or `*`."""
    callback_accelerator: bool = True
    """`no` leaves all callbacks to Flask, which takes longer for each."""


class ProcessSettings(SettingGroup):
    """Redis and workers."""

    redis_url: Annotated[SecretStr, values.REDIS_URL] = SecretStr("redis://127.0.0.1:6379/0")
    """`redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://`. With Sentinels
    `redis+sentinel://:password@host:26379,host:26379/service/0` (`rediss+sentinel://` over
    TLS), their own password as `?sentinel_password=`. `?max_connections=` (10) is for each
    process."""
    redis_verify: bool = True
    """`no` leaves the certificate of a TLS Redis unchecked. Better is
    `?ssl_ca_certs=/path/to/ca.pem` at the end of the URL."""
    durability: Literal["memory", "fsync", "replica"] = "memory"
    """Where a callback or request must be on record before it gets a 2xx: in the `memory` of
    Redis, on its disk (`fsync`, needs Redis or Valkey 7.2) or on a `replica`. 503 when that is
    not reached within 2 s."""
    database_url: Annotated[SecretStr | None, values.DATABASE_URL] = None
    """Database of ended jobs: `sqlite:///path` (one machine, a local disk) or `postgres://`. Then
    records leave Redis and are kept, with the prompts, for ever unless RETAIN_JOBS_DAYS says
    otherwise. If not set, Redis keeps the records, for 30 days."""
    hot_days: Annotated[
        float, Field(ge=0, le=100 * 366, allow_inf_nan=False), BeforeValidator(units.days)
    ] = 2.0
    """Days that a job stays in Redis after its row was written. More than the time between two
    backups of the database: what a restored one lacks is then written again."""
    worker_concurrency: int = Field(4, ge=1, le=100)
    """Jobs that one worker process works on at once, each in a thread; a download that has been
    silent for 3 s does not count."""


class MediaSettings(SettingGroup):
    """Media."""

    media_url: Annotated[str, values.STORAGE_URL, values.PRINTABLE] = ""
    """Where media are stored: `file:///…`, `s3://`, `gs://`, `az://` or `memory://`
    ([storage](storage.md)). If not set, `var/media` in the working directory."""
    media_options: dict[str, SecretStr] = Field(default_factory=dict)
    media_serve: Literal["redirect", "stream"] = "stream"
    """How media in a bucket are served: `stream` gives every client the bytes, through the web
    process; `redirect` sends browsers, and clients that ask with `?redirect`, to the bucket."""
    media_public_url: Annotated[str, values.PUBLIC_URL, AfterValidator(values.normalize_url)] = ""
    """Address at which a CDN or a public bucket serves what is in MEDIA_URL: the API then names
    each file's `public_url`, which needs no signature and does not expire."""
    max_media_bytes: values.Bytes = 2**30
    """Larger files are refused."""
    link_ttl: values.Seconds = 86400.0
    """Seconds that a media link lives."""
    link_ttl_max: values.Seconds = 7 * 86400.0
    """The most seconds that `?link_ttl=` may ask for."""
    keep_inputs: bool = True
    """`no` deletes the input of a job (prompt, parameters, images) seconds after BFL has it; what
    BFL repeats of it in the result stays. Otherwise its images and long texts go with the job's
    media, and all of it with the record."""
    max_input_bytes: values.Bytes = 288 * 2**20
    """Bytes of JSON that one input may have, its images and videos as base64 included. BFL takes
    clips of 50 MB, drafts of 128 MB as base64, and ten keyframes of 20 MB: 267 MB as base64."""
    retain_media_days: values.Days = None
    """Days from the end of a job until its media are deleted; fractions count. If not set, they
    stay."""
    retain_jobs_days: values.Days = 30.0
    """Days from the end of a job until its record is deleted; `forever` or empty keeps all. What
    people gave goes with it, the media stay. With DATABASE_URL the default is `forever`."""


class NotificationSettings(SettingGroup):
    """Notifications."""

    notify_secret: Annotated[values.Secrets, values.NOTIFICATION_SECRET] = ()
    """List of `whsec_` secrets; all of them sign. If not set, it is derived from SECRET_KEY, and
    `flask --app receiver keys derived` shows it."""
    notify_url: Annotated[
        tuple[Annotated[values.NotifyUrl, values.parsed_by(values.NotifyUrl.parse)], ...],
        values.parsed_by(values.split_list),
    ] = Field((), max_length=values.NOTIFY_URLS_MAX)
    """List of at most 8 URLs that are notified of every job's end, or of the final statuses behind
    `#`: `https://a.example/hook#failed+lost,https://b.example/`; may be http or private. The hosts
    of Slack and Discord get a line of text."""
    notify_hosts: Annotated[values.StringList, values.HOST_OR_ANY] = (ANY_HOST,)
    """List of the hosts that a job's `notify_url` may name; `*` is any public https host."""


class LogSettings(SettingGroup):
    """Logs."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], values.parsed_by(str.upper)
    ] = "INFO"
    """`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """`json`, `text`, or `auto`: text in a terminal, JSON elsewhere."""
    sentry_dsn: Annotated[SecretStr | None, values.SENTRY_DSN] = None
    """Where unexpected errors are reported; needs deploy/requirements-reporting.txt."""
