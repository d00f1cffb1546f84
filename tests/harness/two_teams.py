"""An installation of two teams, each with an `own` key, beside a plain key and an admin's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import Flask

from jobs.domain.bfl_report import Failure, Role
from jobs.domain.job import Job
from jobs.domain.job_record import Delivery, Request
from jobs.domain.status import Status
from jobs.services import Services
from receiver import context
from receiver.feed.broker import Broker
from tests.bench.stored_jobs import PROMPT
from tests.harness.archive_installation import Archived, a_job, moved
from tests.harness.parts import web_app
from tests.harness.stock import VERSION, put_in
from tests.harness.visitor import csrf_token

OURS, THEIRS, PLAIN, ADMIN = "ours", "theirs", "plain", "boss"
KEYS = {
    OURS: "the-key-of-our-team-1:admin:own",
    THEIRS: "the-key-of-their-team:admin:own",
    PLAIN: "the-key-of-a-plain-app:submit",
    ADMIN: "the-key-of-the-operator:admin",
}


def of_key(name: str | None, n: int, status: Status = Status.STORED, **changes: Any) -> Job:
    """The n-th job, of a key, as it is in a status."""
    request = Request(key=name, kept_input={"prompt": PROMPT})
    job = replace(a_job(n), request=request, status=status, **changes)
    job = moved(job, job.created_at, f"{name or 'nobody'}-{n}")
    job = replace(job, task_id=f"task-of-{name or 'nobody'}-{n}")
    if status is Status.READY:
        return replace(job, delivery=Delivery(expire_at=job.deadline), media=(), ended_at=None)
    return job if status is Status.STORED else replace(job, media=())


def team(name: str | None, first: int) -> list[Job]:
    """Jobs in several states: stored, a draft, paid and not kept, without a price, ready."""
    draft = of_key(name, first + 1)
    bundle = replace(draft.media[0], role=Role.DRAFT_CACHE, content_type="image/webp")
    lost = Failure("expired", f"why {name} lost it")
    failed = of_key(name, first + 2, Status.EXPIRED, error=lost)
    free = of_key(name, first + 3, Status.LOST, cost=None, error=lost)
    ready = of_key(name, first + 4, Status.READY)
    return [of_key(name, first), replace(draft, media=(bundle,)), failed, free, ready]


@dataclass
class TwoTeams:
    """An application with a database, and jobs of two teams and of nobody."""

    app: Flask
    services: Services
    archived: Archived

    def put_in(self, cold: list[Job], hot: list[Job]) -> None:
        """Jobs that only the archive has, and jobs of Redis."""
        put_in(self.services.redis, [*cold, *hot])
        self.archived.archive.put(cold, self.services.store.now())
        for job in cold:
            assert self.services.archiving.moves.evict(replace(job, version=VERSION))

    def client(self, name: str) -> Any:
        """With the key of this name, and logged in with it."""
        client = self.app.test_client()
        key = KEYS[name].partition(":")[0]
        token = csrf_token(client.get("/login").text)
        client.post("/login", data={"csrf_token": token, "key": key})
        client.environ_base["HTTP_X_KEY"] = key
        return client

    def live(self, name: str, path: str) -> str:
        """All that a stream tells until the process stops."""
        answer = self.client(name).get(path, headers={"Last-Event-ID": "0-1"})
        chunks = answer.iter_encoded()
        found = [next(chunks), next(chunks)]
        context_of(self.app).get(Broker).close()
        return b"".join([*found, *chunks]).decode()


def context_of(app: Flask) -> context.Parts:
    parts: context.Parts = app.extensions[context.NAME]
    return parts


@contextmanager
def two_teams(redis_url: str, directory: Path) -> Iterator[TwoTeams]:
    """The application, its database, and nothing else that runs."""
    given = {
        "API_KEYS": ",".join(f"{name}:{rest}" for name, rest in KEYS.items()),
        "REDIS_URL": redis_url,
        "MEDIA_URL": (directory / "media").as_uri(),
        "DATABASE_URL": f"sqlite:///{directory}/archive.db",
        "BFL_SANDBOX_URL": "http://127.0.0.1:9",
        "HOT_DAYS": "0",
    }
    with web_app(**given) as app:
        services = context_of(app).get(Services)
        yield TwoTeams(app, services, Archived(services))
