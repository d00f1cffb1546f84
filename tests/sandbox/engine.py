"""Life of a task: accept a submission, report progress, finish, call back."""

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from threading import Timer
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from tests.sandbox.callback_sender import CallbackRequest, CallbackSender, sign
from tests.sandbox.document import Document
from tests.sandbox.errors import Refused, refusal
from tests.sandbox.input_files import MEGAPIXEL, SIDE_DEFAULT, image_size, side
from tests.sandbox.links import Link, mint
from tests.sandbox.observations import Callback
from tests.sandbox.odd_json import odd_body
from tests.sandbox.settings import Settings, SubmitFault
from tests.sandbox.submission import Submission, read_submission
from tests.sandbox.switches import Switches
from tests.sandbox.task import Task
from tests.sandbox.task_status import final_payload, progress_payload
from tests.sandbox.task_store import TaskStore

# Credits for a generation, close to BFL's price list.
BY_MODEL = {
    "flux-2-max": 7.000000000000001,
    "flux-2-pro": 3.0,
    "flux-2-flex": 5.0,
    "flux-2-klein-4b": 1.4,
    "flux-2-klein-9b": 1.5,
    "flux-kontext-max": 8.0,
    "flux-kontext-pro": 4.0,
    "flux-pro-1.1-ultra": 6.0,
    "flux-pro-1.1": 4.0,
    "flux-dev": 2.5,
    "flux-3-image-klein": 0.9,
    "flux-3-image": 4.8,
    "flux-3-video": 50.0,
}
USUAL = 5.0


def cost(model: str, given: Mapping[str, Any]) -> float:
    """Credits by model, for each megapixel of the sides that an input asks for."""
    price = BY_MODEL.get(model, BY_MODEL.get(model.removesuffix("-preview"), USUAL))
    width, height = side(given.get("width")), side(given.get("height"))
    if not (width or height):
        return price
    megapixels = math.ceil((width or SIDE_DEFAULT) * (height or SIDE_DEFAULT) / MEGAPIXEL)
    return price * max(megapixels, 1)


class Engine:
    """The sandbox without its HTTP server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = TaskStore(settings)
        self._timers = WeakSet[Timer]()
        self._callbacks = CallbackSender(settings, self.store, self._after)
        # Of the global host and of the clusters, once their servers listen.
        self.origins: list[str] = []
        self._next_cluster = count(1)
        self.document = Document.shipped()
        self.published = self.document.public()  # at /openapi.json
        self.default_switches = Switches()  # of submissions that bring none

    def stop(self) -> None:
        for timer in list(self._timers):
            timer.cancel()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        timer = Timer(seconds, call)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def read(self, model: str, body: Any, *, is_checked: bool = True) -> Submission:
        """Raises Refused."""
        strict, any_model = self.settings.strict and is_checked, self.settings.any_model
        return read_submission(
            self.document, model, body, strict=strict, any_model=any_model or not is_checked
        )

    def open(self, submission: Submission, received_by: int = 0) -> Task:
        """Create and start a task. Raises Refused.

        A cluster keeps what it received; the global host gives the tasks to the clusters in turn.
        """
        if submission.switches == Switches():
            submission = replace(submission, switches=self.default_switches)
        switches = submission.switches
        # Whether it is among the first `submit_times` equal submissions, which fail.
        times = submission.switches.submit_times
        is_early = times is None or self.store.attempt(submission.fingerprint) < times
        fault: SubmitFault | None = "cut" if switches.submit_cut else switches.submit_status
        fault = (fault if is_early else None) or self.settings.submit_fault
        if isinstance(fault, int):
            raise Refused(refusal(fault, switches.retry_after, switches.submit_detail))
        false_error = switches.submit_false_error if is_early else None
        task = replace(
            self._task(submission, cut=fault == "cut"),
            false_error=false_error,
            host=received_by or self._cluster_for(switches),
        )
        self.store.open(task)
        opened = task.copy()
        events = opened.switches.progress_events
        for n in range(events):
            event = progress_payload(opened, n, events)
            self._call_back(opened, event, opened.seconds * (n + 1) / (events + 1))
        if switches.outcome != "pending_forever":
            self._after(task.seconds, partial(self._finish, task.id))
        return opened

    def _cluster_for(self, switches: Switches) -> int:
        """The number of the cluster that gets a task; zero without clusters."""
        clusters = len(self.origins) - 1
        if clusters < 1:
            return 0
        if switches.cluster is not None:
            return switches.cluster
        return (next(self._next_cluster) - 1) % clusters + 1

    def origin_of(self, task: Task) -> str:
        return self.origins[task.host]

    def publish(self, body: bytes) -> None:
        """Answer with this as the document; check bodies by it if it is one."""
        self.published = body
        with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self.document = Document(json.loads(body))

    def _task(self, submission: Submission, *, cut: bool) -> Task:
        settings, switches = self.settings, submission.switches
        seconds = settings.generation_seconds if switches.seconds is None else switches.seconds
        own = submission.webhook_url is not None
        return Task(
            id=str(uuid4()),
            model=submission.model,
            input=submission.input,
            switches=switches,
            webhook_url=submission.webhook_url if own else settings.webhook_url,
            webhook_secret=submission.webhook_secret if own else settings.webhook_secret,
            cost=cost(submission.model, submission.input),
            output_format=submission.output_format,
            pixels=image_size(submission.model, submission.input),
            created_at=time.time(),
            seconds=seconds,
            cut=cut,
        )

    def _finish(self, task_id: str) -> None:
        task = self.store.finish(task_id)
        # Signed even without a callback: the lifetime of a URL begins at the upload.
        event, switches = final_payload(task, self.urls(task)), task.switches
        times = switches.callback if isinstance(switches.callback, int) else 1
        for _ in range(0 if switches.outcome == "not_found" else times):
            self._call_back(task, event, switches.callback_delay)

    def urls(self, task: Task) -> list[str]:
        """Return the delivery URLs of a finished task; sign expired ones again."""
        if task.finished_at is None or task.switches.outcome != "ready":
            return []
        return [self._url(task, n) for n in range(task.media_count)]

    def _url(self, task: Task, n: int) -> str:
        link = self.store.link(task.id, n, partial(self._renewed, task, n))
        return self.origin_of(task) + link.target

    def _renewed(self, task: Task, n: int, link: Link | None) -> Link:
        usual, switches = self._life(task), task.switches
        suffix = (
            "bin" if switches.drafts and switches.samples <= n < task.drafts_end else task.format
        )
        make = partial(mint, task.id, n, style=switches.path, suffix=suffix)
        if link is None:
            life = usual if switches.life is None else switches.life
            return make(now=task.finished_at or task.created_at, life=life)
        if switches.resign and link.expired(time.time()):
            return make(now=time.time(), life=usual)
        return link

    def _life(self, task: Task) -> float:
        settings = self.settings
        return settings.video_url_life_seconds if task.is_video else settings.url_life_seconds

    def _call_back(self, task: Task, event: dict[str, Any], delay: float) -> None:
        if task.webhook_url is not None and task.switches.callback != "never":
            self._callbacks.send_after(delay, self._callback_request(task, event))

    def _callback_request(self, task: Task, event: dict[str, Any]) -> CallbackRequest:
        body = odd_body(json.dumps(event).encode(), task.switches.callback_json)
        headers = {"Content-Type": "application/json", "User-Agent": "bfl-sandbox"}
        headers |= sign(body, task.webhook_secret, task.switches)
        return CallbackRequest(task.id, task.webhook_url or "", headers, body)

    def call_back_now(self, task: Task, switches: Mapping[str, Any]) -> Callback:
        """Send one more callback with the current status, with some switches changed."""
        task = replace(task, switches=replace(task.switches, **switches))
        event = (
            progress_payload(task, 0, 1) if task.active else final_payload(task, self.urls(task))
        )
        return self._callbacks.send(self._callback_request(task, event))
