"""Model of BFL: what it answers to a submission, its tasks, callbacks, polls and deliveries."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from jobs.bfl.client import BflClient, BflResponse
from jobs.domain.errors import BflUnavailable, ConnectionFailed, TransferFailed, UrlExpired
from jobs.net.http_client import Body
from jobs.net.urls import ParsedUrl
from jobs.services import build_host_policy
from tests.simulation.boundaries import load_test_settings, sha256
from worker import download

URL_SECONDS = 600.0
GENERATION_SECONDS = 10.0
SECRET = "webhook-secret-of-tests"
VIDEO = b"a video, of which nobody draws a thumbnail"
SHIPPED_CLUSTER = "us7"  # one of those that Fluxkeep asks without having learned of it
FAULT_WEIGHT = 5.0  # of BFL's faults, which have few occasions


class Answer(NamedTuple):
    """Plan of BFL for a submission; without a status it stays silent."""

    label: str
    status: int | None = None
    makes_task: bool = False
    seconds: float = 0.0
    body: bytes = b"{}"


UNREACHABLE = Answer("cannot be reached")
TOO_LATE = Answer("accepts, but the worker is killed", makes_task=True)
WEBHOOK_REFUSED = b'{"detail": [{"loc": ["body", "webhook_url"], "msg": "extra"}]}'
ANSWERS = (
    Answer("accepts", 200, makes_task=True),  # the first one is no fault
    Answer("accepts after its callback", 200, makes_task=True, seconds=GENERATION_SECONDS + 5.0),
    Answer("refuses the input", 422),
    Answer("refuses the webhook", 422, body=WEBHOOK_REFUSED),
    Answer("asks for credits", 402),
    Answer("is busy", 429),
    Answer("fails", 500),
    Answer("fails, but makes a task", 500, makes_task=True),
    Answer("is down", 503),
    Answer("is silent"),
    Answer("is silent and makes a task", makes_task=True),
    UNREACHABLE,
    TOO_LATE,
)


@dataclass
class Task:
    """One task, and the webhook that its submission named."""

    id: str
    job_id: str
    ready_at: float
    token: str | None = None
    secret: str = SECRET
    model: str = ""
    cluster: str = SHIPPED_CLUSTER
    is_counted: bool = True  # by MAX_ACTIVE; a task behind an error answer is not

    @property
    def api_host(self) -> str:
        """The one host that knows the task."""
        return f"api.{self.cluster}.bfl.ai"


@dataclass
class Bfl:
    """BFL's side of a run."""

    world: Any
    tasks: dict[str, Task] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)  # jobs that BFL may have, as far as it answered
    accepted: set[str] = field(default_factory=set)  # jobs whose acceptance reached a worker

    # Submissions.

    def submit(self, model: str, body: bytes) -> BflResponse:
        """Answer a submission. Raises ConnectionFailed, TransferFailed."""
        sent = json.loads(body)
        job_id = sent["prompt"]
        index = 0
        if self.world.bfl_faults:
            index = self.world.chooser.choose(len(ANSWERS), weight=FAULT_WEIGHT)
        self.world.bfl_faults -= index > 0
        answer = ANSWERS[index]
        self.world.scheduler.step(f"POST {model}, BFL {answer.label}")
        if answer is UNREACHABLE:
            raise ConnectionFailed("refused")
        if job_id in self.sent:
            self.world.violate(f"I13: job {job_id} is sent again although BFL may have it")
        self.sent.add(job_id)
        task = self._make_task(job_id, model, sent, answer) if answer.makes_task else None
        self.world.scheduler.step("BFL has the submission")
        if answer is TOO_LATE:
            self.world.scheduler.kill(self.world.scheduler.current)
        if answer.seconds:
            self.world.scheduler.sleep(answer.seconds)
        if answer.status is None:
            raise TransferFailed("no answer")
        if answer.status != 200:
            self.sent.discard(job_id)
            return BflResponse(answer.status or 0, None, answer.body)
        assert task
        self.accepted.add(job_id)
        accepted = {"id": task.id}
        if "webhook_url" not in sent:  # beside a webhook BFL names no polling URL
            accepted["polling_url"] = f"https://{task.api_host}/v1/get_result?id={task.id}"
        return BflResponse(200, None, json.dumps(accepted).encode())

    def _make_task(self, job_id: str, model: str, sent: dict[str, Any], answer: Answer) -> Task:
        now = self.world.scheduler.now
        number = len(self.tasks) + 1
        clusters = self.world.faults.clusters
        cluster = clusters[number % len(clusters)]
        ready_at = now + GENERATION_SECONDS
        task = Task(f"task-{number}", job_id, ready_at, model=model, cluster=cluster)
        task.is_counted = answer.status in (200, None)
        self.tasks[task.id] = task
        self._check_active(task)
        if "webhook_url" in sent:
            task.token, task.secret = sent["webhook_url"].rpartition("/")[2], sent["webhook_secret"]
            self.world.call_back(task)
        return task

    def _check_active(self, new: Task) -> None:
        now, limits = self.world.scheduler.now, load_test_settings().max_active
        # A deletion gives the slot back, although BFL may have the task or get it a moment later.
        kept = [one for one in self.tasks.values() if one.job_id not in self.world.deleted]
        active = [one for one in kept if one.is_counted and one.ready_at > now]
        of_model = [one for one in active if one.model == new.model]
        if len(active) > limits.total or len(of_model) > limits.for_model(new.model):
            self.world.violate(f"I14: {new.id} is one more at BFL than MAX_ACTIVE allows")

    def forget(self) -> None:
        """Check nothing of the past any more: Redis has lost its latest writes."""
        self.sent.clear()
        for task in self.tasks.values():
            task.is_counted = False

    # Tasks.

    def callback(self, task: Task, body: bytes = b"") -> dict[str, Any]:
        """The WSGI environment of a callback about a task; of its last one without a body."""
        body = body or self._message(task)
        return {
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_WEBHOOK_SECRET": task.secret,
        }

    def _message(self, task: Task) -> bytes:
        at = datetime.fromtimestamp(task.ready_at + URL_SECONDS, UTC)
        stated = at.strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ")
        url = f"https://delivery.{task.cluster}.bfl.ai/{task.id}/sample.mp4?se={stated}&sig=s"
        return json.dumps({"id": task.id, "status": "Ready", "result": {"sample": url}}).encode()

    def poll(self, urls: Sequence[str]) -> list[BflResponse | BflUnavailable]:
        """Answer polls at one or more hosts at the same time."""
        if urls:
            self.world.scheduler.step("GET get_result")
        return [self._status(url) for url in urls]

    def _status(self, url: str) -> BflResponse:
        task = self.tasks[url.rpartition("=")[2]]
        if not url.startswith(f"https://{task.api_host}/"):
            return BflResponse(404, None, b'{"status": "Task not found"}')
        if self.world.scheduler.now < task.ready_at:
            return BflResponse(200, None, json.dumps({"id": task.id, "status": "Pending"}).encode())
        return BflResponse(200, None, self._message(task))

    def download(self, address: ParsedUrl, path: Path) -> download.Download:
        """A video from BFL's delivery host. Raises UrlExpired."""
        self.world.scheduler.step("GET sample")
        task = self.tasks[address.path.split("/")[1]]
        if self.world.scheduler.now > task.ready_at + URL_SECONDS:
            raise UrlExpired("the delivery host answered 403")
        path.write_bytes(VIDEO)
        if self.world.faults.download_seconds:
            self.world.scheduler.sleep(self.world.faults.download_seconds)
        self.world.scheduler.step("downloaded")
        return download.Download("video/mp4", len(VIDEO), sha256(VIDEO))


class SimulatedBflClient(BflClient):
    """The real client, whose requests end in the model."""

    def __init__(self, bfl: Bfl) -> None:
        given = load_test_settings()
        super().__init__(given.bfl_api_key, build_host_policy(given), given.bfl_origin)
        self._bfl = bfl

    def poll_all(
        self,
        urls: Sequence[str],
        _seconds: float = 0.0,
        _is_enough: Callable[[BflResponse], bool] | None = None,
    ) -> list[BflResponse | BflUnavailable]:
        return self._bfl.poll(urls)

    def _call(
        self, address: ParsedUrl, body: Body | None = None, _seconds: float = 0.0
    ) -> BflResponse:
        if body is None:
            return BflResponse(200, None, b'{"credits": 0}')
        sent = body if isinstance(body, bytes) else b"".join(body)
        return self._bfl.submit(address.path.removeprefix("/v1/"), sent)
