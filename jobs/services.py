"""Services: settings, stores and clients, built once per process."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from operator import call
from typing import NamedTuple

from pydantic import SecretStr
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from jobs.archive.archive import Archive, open_archive
from jobs.archive.database import Caller, Runner
from jobs.bfl.client import BflClient
from jobs.bfl.hosts import HostPolicy, api_origin
from jobs.catalog import Catalog
from jobs.config.environment import bfl_key_variable
from jobs.config.quotas import QueueCapacity
from jobs.config.settings import Settings
from jobs.daily_costs import DailyCosts
from jobs.domain.errors import BflKeyMissing
from jobs.domain.job import Job
from jobs.domain.retry_policy import RetryPolicy
from jobs.net.urls import Origin
from jobs.signing import CallbackTokens, CallbackVerifier, LinkSigner, MediaLink, NotificationSigner
from jobs.storage.base import MediaStorage
from jobs.storage.limits import BACKGROUND_LIMITS, WEB_LIMITS, RequestLimits
from jobs.storage.opening import open_storage
from jobs.storage_room import StorageRoom
from jobs.store.archiving.archiving_store import ArchivingStore
from jobs.store.batch_actions import Batches
from jobs.store.callback_trials import CallbackTrials
from jobs.store.change_stream import Events
from jobs.store.commit import Followers
from jobs.store.consistency import Consistency
from jobs.store.costs import Costs
from jobs.store.due_sets import DueSets
from jobs.store.expiring_names import EndedSessions, StrictModels, UsedLogins
from jobs.store.health_probes import HealthProbes
from jobs.store.held_callbacks import HeldCallbacks
from jobs.store.job_store import JobStore
from jobs.store.listing import JobListing
from jobs.store.live_model_schemas import LiveSchemas
from jobs.store.metrics import Metrics
from jobs.store.rate_limiter import RateLimiter
from jobs.store.recent_origins import AnnouncedHosts, NamedHosts
from jobs.store.redis import write_durability
from jobs.store.redis.backoff import PolicyBackoff
from jobs.store.redis.clock import Clock
from jobs.store.redis.connection import connect
from jobs.store.redis.outages import LoggedRetry
from jobs.store.redis.script_pipeline import ScriptPipeline
from jobs.store.redis.write_durability import Durability
from jobs.store.refused_callbacks import RefusedCallbacks
from jobs.store.submission_queue import ConfiguredKeys, SubmissionQueue
from jobs.task_hosts import TaskHosts

# A web process must answer 503 within 5 s; a background process waits for about a minute.
WEB_TIMEOUT_SECONDS = 2.0
WEB_DATABASE_CONNECTIONS = 3
CALLBACK_QUERY_SECONDS = 1.0  # BFL waits; the sweep applies what could not be compared in time
BACKGROUND_TIMEOUT_SECONDS = 20.0
# The jitter is large: what lost Redis together does not come back together.
WEB_RETRIES = RetryPolicy(first_seconds=0.05, longest_seconds=0.2, growth=2.0, jitter=0.5)
BACKGROUND_RETRIES = RetryPolicy(first_seconds=0.1, longest_seconds=2.0, growth=2.0, jitter=0.5)
BACKGROUND_RETRIES_MAX = 40


class DatabaseAccess(NamedTuple):
    """How a web process uses a database.

    `in_thread` lets other requests run while a file is read. `caller` names the API key of the
    present request: no key takes all connections.
    """

    in_thread: Runner
    caller: Caller


def _do_nothing() -> None:
    """Stand in for a function that only a web process has."""


class Services:
    """The settings, and the stores and clients built from them."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        limits: RequestLimits = BACKGROUND_LIMITS,
        level: Durability = Durability.MEMORY,
        pause: Callable[[], object] = _do_nothing,
        access: DatabaseAccess | None = None,
    ) -> None:
        pipeline = ScriptPipeline(redis, level, pause)
        client = pipeline.client
        clock = Clock(client)
        self.settings = settings
        # The web process replaces this by the origin of the current request.
        self.reader_origin: Callable[[], str | None] = _do_nothing
        self.redis = redis
        self.store = JobStore(
            pipeline,
            clock,
            settings.max_active,
            QueueCapacity(announced=settings.max_announced, budgets=settings.budgets),
            Followers(
                {url.digest: url.events for url in settings.notify_url},
                settings.database_url is not None,
            ),
        )
        self.budgets = self.store.budgets
        self.submission_queue = SubmissionQueue(
            client,
            clock,
            replace(settings.max_active, accounts=_bfl_accounts(settings)),
            settings.worker_concurrency,
            settings.budgets,
            ConfiguredKeys(
                accounts=frozenset(settings.bfl_accounts),
                api_keys=frozenset(key.name for key in settings.api_keys),
            ),
        )
        self.due = DueSets(client)
        self.strict_models = StrictModels(client)
        self.used_logins = UsedLogins(client)
        self.ended_sessions = EndedSessions(client)
        self.listing = JobListing(client)
        self.archive = build_archive(settings, access)
        self.archiving = ArchivingStore(client, self.store)
        self.catalog = Catalog(
            self.store,
            self.listing,
            self.archiving,
            self.archive,
            build_archive_of_callbacks(settings, access),
        )
        self.held_callbacks = HeldCallbacks(client, self.store)
        self.batches = Batches(client)
        self.events = Events(client)
        self.metrics = Metrics(client, clock, has_archive=self.archive is not None)
        self.health_probes = HealthProbes(client, clock)
        self.storage_room = StorageRoom(self.store, self.health_probes)
        self.costs = Costs(client, clock)
        self.schemas = LiveSchemas(client, is_live=settings.bfl_openapi)
        self.refused_callbacks = RefusedCallbacks(pipeline)
        self.callback_trials = CallbackTrials(client)
        self.rate_limiter = RateLimiter(pipeline)
        self.consistency = Consistency(client, self.store)
        self.daily_costs = DailyCosts(self.costs, self.archive, self.consistency)
        self._limits = limits
        self.host_policy = build_host_policy(settings)
        self.bfl_clients = build_bfl_clients(settings)
        self.task_hosts = TaskHosts(
            self.host_policy,
            NamedHosts(client, clock),
            AnnouncedHosts(client, clock),
            settings.bfl_origin,
        )
        self.callback_verifier = CallbackVerifier(settings.webhook_secret)
        self.tokens = CallbackTokens(settings.secret_key)
        self.links = LinkSigner(settings.secret_key)
        self.notification_signer = NotificationSigner(settings.notify_secret)

    @property
    def bfl(self) -> BflClient:
        """The client with BFL_API_KEY."""
        return self.bfl_clients[None]

    @cached_property
    def storage(self) -> MediaStorage:
        """Raises InvalidSettings when it cannot be used; processes open it when they start."""
        return build_storage(self.settings, self._limits)

    def base_url(self) -> str:
        """PUBLIC_URL, else as this answer's reader reaches us, never another caller's Host."""
        if self.settings.public_url:
            return self.settings.public_url
        reader_origin = self.reader_origin()
        if reader_origin:
            return reader_origin
        return self.settings.base_url

    def origin_of(self, job: Job) -> Origin:
        """The BFL host of the region that a job names; a sandbox replaces every region."""
        if job.request.region is None or self.bfl.origin in self.host_policy.sandboxes:
            return self.bfl.origin
        return api_origin(job.request.region)

    def bfl_key_of(self, api_key: str | None) -> str | None:
        """The name under which jobs of an API key have their BFL key; None: BFL_API_KEY."""
        return self.settings.bfl_accounts.get(api_key or "")

    def bfl_for(self, job: Job) -> BflClient:
        """The client with the key that a job was sent with, by us or by its caller.

        Raises BflKeyMissing: no other account may pay for the job, or learn of its task (I36).
        """
        name = job.submission.bfl_key
        if name is None and not job.is_submission:
            name = self.bfl_key_of(job.request.key)
        if name in self.bfl_clients:
            return self.bfl_clients[name]
        if name not in self.settings.bfl_accounts:
            raise BflKeyMissing(f"{bfl_key_variable(name or '')} is not set any more")
        # Another API key has an equal BFL key: the client is under the name of that API key.
        return self.bfl_clients[self.settings.bfl_accounts[name]]

    def obstacle_to_sending(self, job: Job) -> str:
        """Why a job must wait for a key that was removed from the settings; empty without one."""
        try:
            self.bfl_for(job)
        except BflKeyMissing as error:
            return f"{error}: no other account pays for this job"
        if job.request.key is None or job.request.key in self.api_key_names:
            return ""
        return f"its API key, {job.request.key}, is not in API_KEYS any more"

    @cached_property
    def api_key_names(self) -> frozenset[str]:
        return frozenset(key.name for key in self.settings.api_keys)

    def links_to(
        self,
        job: Job,
        base_url: str | None = None,
        seconds: float | None = None,
        *,
        thumbnail: bool = False,
        is_input: bool = False,
    ) -> list[str]:
        """Links to a job's media, their thumbnails or its input, valid for `seconds`."""
        prefix = f"{base_url or self.base_url()}/media/"
        expires = int(self.store.now() + (seconds or self.settings.link_ttl))
        files = job.media
        if is_input:
            files = job.request.input_files
        links: list[str] = []
        for position in range(len(files)):
            link = MediaLink(job.id, position, expires, thumbnail, is_input)
            links.append(prefix + self.links.sign(link))
        return links


def build_storage(settings: Settings, limits: RequestLimits = BACKGROUND_LIMITS) -> MediaStorage:
    """Build the media storage. Raises InvalidSettings when it cannot be used."""
    return open_storage(settings.storage_url, settings.media_options, limits)


def build_host_policy(settings: Settings) -> HostPolicy:
    notify_hosts = None
    if settings.notify_secret:
        notify_hosts = settings.notify_hosts
    return HostPolicy(
        settings.bfl_sandbox_url,
        settings.delivery_hosts,
        settings.region,
        notify_hosts,
        {url.digest: url.parsed for url in settings.notify_url},
    )


def _bfl_accounts(settings: Settings) -> tuple[str | None, ...]:
    """The names of all BFL keys, each once; None is BFL_API_KEY."""
    names: dict[str | None, None] = {None: None}
    for name in settings.bfl_accounts.values():
        names[name] = None
    return tuple(names)


def build_bfl_clients(settings: Settings) -> dict[str | None, BflClient]:
    """One client for each BFL key, by the name of an API key; None is that of BFL_API_KEY."""
    keys: dict[str | None, SecretStr | None] = {None: settings.bfl_api_key}
    for account in settings.bfl_accounts.values():
        if account:
            keys[account] = settings.bfl_api_keys[account]
    policy = build_host_policy(settings)
    clients = dict[str | None, BflClient]()
    for name, key in keys.items():
        variable = bfl_key_variable(name or "")
        clients[name] = BflClient(key, policy, settings.bfl_origin, variable)
    return clients


def build_archive(settings: Settings, access: DatabaseAccess | None) -> Archive | None:
    """The archive of DATABASE_URL, if it is set. Its first call connects."""
    if settings.database_url is None:
        return None
    url = settings.database_url.get_secret_value()
    if access is None:
        return open_archive(url, 1, call)
    return open_archive(url, WEB_DATABASE_CONNECTIONS, access.in_thread, access.caller)


def build_archive_of_callbacks(settings: Settings, access: DatabaseAccess | None) -> Archive | None:
    """The archive for callbacks of a web process: no reader takes its connection.

    Its queries are short.

    None without a database, and where there are no callbacks.
    """
    if settings.database_url is None or access is None:
        return None
    url = settings.database_url.get_secret_value()
    return open_archive(url, 1, access.in_thread, query_seconds=CALLBACK_QUERY_SECONDS)


def for_web(
    settings: Settings,
    pause: Callable[[], object] = _do_nothing,
    access: DatabaseAccess | None = None,
) -> Services:
    """Services that fail fast: BFL repeats a callback that was answered with 503.

    `pause` lets other requests run before a round trip to Redis. Raises InvalidSettings.
    """
    redis = redis_for_web(settings)
    level = Durability(settings.durability)
    services = Services(settings, redis, WEB_LIMITS, level, pause, access)
    _ = services.storage  # opened now and not at the first request
    return services


def require_durability(settings: Settings) -> None:
    """Check that Redis, if it answers, can provide DURABILITY. Raises InvalidSettings."""
    with redis_for_web(settings) as redis, suppress(RedisError):
        write_durability.probe(redis, Durability(settings.durability))


def redis_for_web(settings: Settings) -> Redis:
    """Connect with the time-outs of a web process. Raises InvalidSettings."""
    # No retry after a timeout: too little time is left to answer BFL.
    retry = LoggedRetry(PolicyBackoff(WEB_RETRIES), 1, (RedisConnectionError,))
    return connect(settings, retry, WEB_TIMEOUT_SECONDS)


def for_background(settings: Settings) -> Services:
    """Services that wait for Redis, and not for durability: media are rescued without a replica."""
    retry = LoggedRetry(PolicyBackoff(BACKGROUND_RETRIES), BACKGROUND_RETRIES_MAX)
    services = Services(settings, connect(settings, retry, BACKGROUND_TIMEOUT_SECONDS))
    _ = services.storage
    return services
