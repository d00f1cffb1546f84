"""A whole Fluxkeep on ephemeral ports: the Procfile's processes with settings fit for tests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

from deploy import procfile
from tests.harness.client import Client
from tests.harness.closing import Closing
from tests.harness.patience import answers, wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process
from tests.harness.redis_server import RedisServer
from tests.harness.s3_server import TestBucket
from tests.harness.stored_objects import StoredInBucket, StoredInDirectory, StoredObjects

PAUSE_SECONDS = 0.2


class Supervision:
    """Calls `revive` again and again while it is switched on.

    Its thread lasts until `close`: on Linux a process ends with the thread that started it.
    """

    def __init__(self, revive: Callable[[], None]) -> None:
        self._revive = revive
        self._on = threading.Event()
        self._closed = threading.Event()
        self._busy = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="supervision", daemon=True)
            self._thread.start()
        self._on.set()
        try:
            yield
        finally:
            self._on.clear()
            # Nothing is half started when this returns.
            with self._busy:
                pass

    def close(self) -> None:
        self._closed.set()
        self._on.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._on.wait() and not self._closed.is_set():
            with self._busy:
                if self._on.is_set():
                    self._revive()
            self._closed.wait(PAUSE_SECONDS)


WEBHOOK_SECRET = "webhook-secret-canary-4f1d"
KEYS = {
    "read": "read-key-canary-90ab",
    "submit": "submit-key-canary-12cd",
    "admin": "admin-key-canary-34ef",
}
DEFAULTS = {
    "WEBHOOK_SECRET": WEBHOOK_SECRET,
    "SECRET_KEY": "signing-key-canary-b7e2",
    "BFL_API_KEY": "bfl-key-canary-55aa",
    "API_KEYS": ",".join(f"{scope}er:{key}:{scope}" for scope, key in KEYS.items()),
    "CALLBACK_GRACE": "60",
    "GIVE_UP_AFTER": "600",
    "WEB_CONCURRENCY": "1",
    "LOG_LEVEL": "DEBUG",
}
# Variables of the machine that begin so must not reach a test.
_FOREIGN = (
    *("PORT", "PUBLIC_URL", "BFL_API_URL", "MEDIA_URL", "MEDIA_SERVE", "DELIVERY_HOSTS"),
    *("WORKER_CONCURRENCY", "REDIS_VERIFY", "DURABILITY"),
    *("GUNICORN_CMD_ARGS", "NOTIFY_", "AWS_", "GOOGLE_", "AZURE_"),
)


class Installation(Closing):
    """Processes by their names in the Procfile; settings are environment variables.

    `settings` hold for every process that is started afterwards; None removes a default.
    """

    def __init__(
        self,
        directory: Path,
        redis: RedisServer,
        sandbox_url: str | None = None,
        **settings: str | None,
    ) -> None:
        self.directory = directory
        self.redis = redis
        self.media = directory / "media"
        self.stored_objects: StoredObjects = StoredInDirectory(self.media)
        self.settings: dict[str, str | None] = {
            **DEFAULTS,
            "REDIS_URL": redis.url,
            "MEDIA_URL": self.media.as_uri(),
            "BFL_SANDBOX_URL": sandbox_url,
            **settings,
        }
        self.commands = procfile.commands()
        self.code = procfile.ROOT  # where they are run
        self.ports = [free_port()]
        self.running: dict[str, list[Process]] = {name: [] for name in self.commands}
        self._clients: list[Client] = []
        self._supervision = Supervision(self._revive)

    def keep_in(self, bucket: TestBucket) -> None:
        """From the next start on media are kept in a bucket, and staged under a TMPDIR of ours."""
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        self.stored_objects = StoredInBucket(bucket, temporary)
        self.settings |= {"TMPDIR": str(temporary), **bucket.settings}

    # Where it is.

    @property
    def url(self) -> str:
        """The first web process, also while it is down."""
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def web(self) -> list[Process]:
        return self._alive("web")

    @property
    def worker(self) -> list[Process]:
        return self._alive("worker")

    @property
    def sweep(self) -> list[Process]:
        return self._alive("sweep")

    def client(self, scope: str = "admin", url: str | None = None) -> Client:
        """A client with the key of this scope; with "" it has none."""
        secret = self.settings["WEBHOOK_SECRET"] or ""
        client = Client(url or self.url, KEYS.get(scope, scope), secret.split(",")[0])
        self._clients.append(client)
        return client

    # Its life.

    def start(self, *names: str, n: int = 1, wait: bool = True, **settings: str) -> list[Process]:
        """Start `n` of each process, all of the Procfile when none is named.

        Returns when each web process answers, unless it is not to `wait` for that.
        """
        chosen = names or tuple(self.commands)
        started = [self._start(name, settings) for name in chosen for _ in range(n)]
        if wait and "web" in chosen:
            self.wait_until_ready()
        return started

    def _start(self, name: str, settings: dict[str, str]) -> Process:
        environment = self._environment(settings)
        # One for all, as with `make run`: without PUBLIC_URL it begins the links of notifications.
        environment.setdefault("PORT", str(self._port() if name == "web" else self.ports[0]))
        return self._run(name, environment)

    def _run(self, name: str, environment: dict[str, str]) -> Process:
        log = self.directory / f"{name}.log"
        process = Process(name, self.commands[name], environment, log, self.code)
        self.running[name].append(process)
        return process

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        # A setting of a test module does not know the directory yet.
        own = {
            key: value.replace("{directory}", str(self.directory))
            for key, value in (self.settings | settings).items()
            if value is not None
        }
        every = procfile.environment(own).items()
        return {
            name: value for name, value in every if name in own or not name.startswith(_FOREIGN)
        }

    def _port(self) -> int:
        """A web process that replaces a dead one takes over its port."""
        taken = {process.environment["PORT"] for process in self.web}
        free = [port for port in self.ports if str(port) not in taken]
        if not free:
            self.ports.append(free_port())
        return free[0] if free else self.ports[-1]

    def wait_until_ready(self, path: str = "/healthz") -> None:
        """Returns when each web process answers 200; fails at once when something has ended."""
        for url in self.urls[: len(self.web)] or [self.url]:
            wait_for(f"{url}{path}", partial(self._answers, url + path), 30.0)

    def _answers(self, url: str) -> bool:
        if not self.web:
            raise RuntimeError(f"no web process is running:\n{self.logs()[-4000:]}")
        return answers(url)

    def kill(self, *names: str) -> None:
        """SIGKILL for the named processes with all their offspring (all, when none is named)."""
        for process in self._named(names):
            process.kill_all()

    def stop(self, *names: str, timeout: float = 30.0) -> None:
        """SIGTERM for all, then wait. Raises subprocess.TimeoutExpired."""
        self.hang_up()
        found = self._named(names)
        for process in found:
            process.terminate()
        for process in found:
            process.wait(timeout)

    def hang_up(self) -> None:
        """Close its clients' idle connections, for which a web process waits when it stops."""
        for client in self._clients:
            client.close()

    def pause(self, *names: str) -> None:
        for process in self._named(names):
            process.pause()

    def resume(self, *names: str) -> None:
        for process in self._named(names):
            process.resume()

    def supervised(self) -> AbstractContextManager[None]:
        """Inside, each process that dies is started again, as a platform does it."""
        return self._supervision.switched_on()

    def _revive(self) -> None:
        for name, started in self.running.items():
            for process in [one for one in started if not one.alive]:
                started.remove(process)
                process.kill_all()  # the offspring of the dead one, as a container's end would
                self._run(name, process.environment)

    def close(self) -> None:
        """SIGKILL for whatever was ever started here."""
        self._supervision.close()
        for started in self.running.values():
            for process in started:
                process.kill_all()
        self.hang_up()

    # What it leaves.

    def logs(self, *names: str) -> str:
        """Everything that all (or the named) processes have said."""
        paths = [self.directory / f"{name}.log" for name in names or self.commands]
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def secrets(self) -> list[str]:
        """The planted canaries: none of them may turn up anywhere."""
        names = ("WEBHOOK_SECRET", "SECRET_KEY", "BFL_API_KEY", "NOTIFY_SECRET")
        listed = [(self.settings.get(name) or "").split(",") for name in names]
        keys = [entry.split(":")[1] for entry in (self.settings["API_KEYS"] or "").split(",")]
        storage = self.settings.get("AWS_SECRET_ACCESS_KEY") or ""
        found = [*chain.from_iterable(listed), *keys, storage, self.redis.local.password]
        return [secret for secret in found if secret]

    def _alive(self, name: str) -> list[Process]:
        return [process for process in self.running[name] if process.alive]

    def _named(self, names: tuple[str, ...]) -> list[Process]:
        return [process for name in names or self.commands for process in self._alive(name)]
