"""Settings of `make run`: missing values are generated once and saved in var/run.env.

The processes of `make run` and the command line read that file
(`jobs/config/environment.py`); the environment and `.env` override it. A shell can source it.
"""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.local_redis import LOOPBACK, LocalRedis, first_free_port, is_free, reusable_port
from deploy.procfile import ROOT
from jobs.config import environment, settings
from jobs.config.api_keys import Scope
from jobs.config.environment import RUN_FILE
from jobs.config.settings import Settings
from jobs.net.urls import Origin

VAR = ROOT / "var"
# Saved for the command line in another shell, which does not see the environment of `make run`.
SAVED = ("PORT", "LISTEN_HOST", "PUBLIC_URL", "MEDIA_URL", "BFL_API_URL")


class CannotStart(Exception):
    """`make run` cannot start; the message holds the reason and the remedy."""


@dataclass(frozen=True)
class DevSettings:
    """Settings, Redis and sandbox of one `make run`."""

    settings: Settings
    redis: LocalRedis | None  # None when REDIS_URL is given
    sandbox: Origin | None  # None when BFL_API_KEY or BFL_SANDBOX_URL is given
    has_generated_keys: bool  # False when API_KEYS is given

    def key(self, scope: Scope) -> str:
        """The first key with this scope; the first key of all when there is none."""
        keys = self.settings.api_keys
        keys_with_scope = [key for key in keys if key.scope == scope]
        first_key = keys_with_scope[0] if keys_with_scope else keys[0]
        return first_key.key.get_secret_value()

    @property
    def url(self) -> str:
        """Address of the web process on this machine."""
        host = self.settings.listen_host
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared only
            host = LOOPBACK
        if ":" in host:  # IPv6
            host = f"[{host}]"
        return f"http://{host}:{self.settings.port}"


@contextmanager
def locked_data_directory() -> Iterator[int]:
    """Lock var/ for one `make run`; yields the lock's file descriptor. Raises CannotStart.

    The file names the launcher's process, its URL, and the processes that it started.
    """
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotStart(_why_locked(lock.read().split())) from None
        lock.truncate(0)
        yield lock.fileno()


def _why_locked(words: list[str]) -> str:
    """The reason and the remedy, from the words in the lock's file."""
    if len(words) < 2:
        return "another `make run` is starting in this folder"
    launcher, url, *started = words
    try:
        os.kill(int(launcher), 0)
    except ProcessLookupError:
        return (
            "a `make run` that was killed left processes in this folder; stop them: "
            f"kill {' '.join(started)}"
        )
    return (
        f"another `make run` works in this folder (process {launcher}, {url}); "
        f"press Ctrl-C there, or: kill {launcher}"
    )


def prepare() -> DevSettings:
    """Load the settings and generate missing ones. Raises CannotStart, InvalidSettings."""
    configured = environment.read_file(".env")
    configured.update(environment.stripped(os.environ))
    saved = environment.read_file(RUN_FILE)
    redis: LocalRedis | None = None
    if not is_set(configured, "REDIS_URL"):
        redis = LocalRedis.in_directory(VAR / "redis", saved.get("REDIS_URL", ""))
    has_bfl = is_set(configured, "BFL_API_KEY") or is_set(configured, "BFL_SANDBOX_URL")
    variables = _generate(saved, redis, has_sandbox=not has_bfl)
    # Not beside a Redis of its own settings: its jobs would be taken out of it, into a file here.
    if redis and not is_set(configured, "DATABASE_URL"):
        file_url = (VAR / "archive.db").as_uri()
        variables["DATABASE_URL"] = file_url.replace("file://", "sqlite:///", 1)
    host = configured.get("LISTEN_HOST") or LOOPBACK
    variables["PORT"] = str(first_free_port(host))
    for name in SAVED:
        if configured.get(name):
            variables[name] = configured[name]

    effective = dict(configured)
    for name, value in variables.items():
        if not is_set(configured, name):
            effective[name] = value
    loaded = settings.load(effective)
    if loaded.port == 0 or not is_free(loaded.port, loaded.listen_host):
        raise CannotStart(
            f"port {loaded.port} cannot be used; name another, or leave PORT out: "
            "then the next free one is taken"
        )
    sandbox = None if has_bfl else loaded.bfl_sandbox_url[0]
    has_generated_keys = not is_set(configured, "API_KEYS")
    dev = DevSettings(loaded, redis, sandbox, has_generated_keys)
    # Variables of README's examples. A key that was configured is not copied to the file.
    variables["FLUXKEEP_URL"] = loaded.base_url
    variables["BFL_URL"] = str(sandbox or loaded.bfl_origin)
    if has_generated_keys:
        variables["FLUXKEEP_KEY"] = dev.key("submit")
    _save(variables)
    return dev


def _save(variables: Mapping[str, str]) -> None:
    """Write the variables to the file that a shell can source; only this user may read it."""
    path = ROOT / RUN_FILE
    path.touch(mode=0o600)
    lines = [f"{name}='{value}'\n" for name, value in variables.items()]
    path.write_text("".join(lines))


def is_set(variables: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value or a file with its value."""
    return bool(variables.get(name) or variables.get(f"{name}_FILE"))


def _generate(
    saved: Mapping[str, str], redis: LocalRedis | None, *, has_sandbox: bool
) -> dict[str, str]:
    """Values for missing settings; secrets and a free port stay as they were saved."""
    admin_key = secrets.token_urlsafe(18)
    app_key = secrets.token_urlsafe(18)
    notify_secret = base64.b64encode(secrets.token_bytes(32)).decode()
    values = {
        "WEBHOOK_SECRET": secrets.token_urlsafe(24),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "API_KEYS": f"admin:{admin_key}:admin,app:{app_key}:submit",
        "NOTIFY_SECRET": f"whsec_{notify_secret}",
    }
    for name in values:
        if saved.get(name):
            values[name] = saved[name]
    values["LISTEN_HOST"] = LOOPBACK
    values["LOG_FORMAT"] = "text"
    values["MEDIA_URL"] = (VAR / "media").as_uri()
    if redis:
        values["REDIS_URL"] = redis.url
    if has_sandbox:
        port = reusable_port(saved.get("BFL_SANDBOX_URL", ""))
        values["BFL_SANDBOX_URL"] = f"http://127.0.0.1:{port}"
    return values
