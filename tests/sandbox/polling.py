"""`GET /v1/get_result`: the status of a task, and faults of polling."""

import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from tests.sandbox.answers import Answer
from tests.sandbox.delivery import redirection
from tests.sandbox.engine import Engine
from tests.sandbox.errors import refusal
from tests.sandbox.observations import Request
from tests.sandbox.odd_json import odd_answer
from tests.sandbox.switches import nth_fault
from tests.sandbox.task import Task
from tests.sandbox.task_status import not_found, pending, status_body

RATE_LIMIT = 1200  # polls a minute
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
HANG_SECONDS = 300.0
FAULTS = (
    *("poll_404", "poll_status_not_found", "poll_429", "poll_503", "poll_500"),
    *("poll_html", "poll_cut"),
)
HTML = b"<!doctype html><title>Just a moment...</title><p>Checking your browser.</p>"


def poll(engine: Engine, request: Request) -> Answer:
    query = parse_qs(request.target.partition("?")[2])
    if "id" not in query:
        missing = {"loc": ["query", "id"], "msg": "Field required", "type": "missing"}
        return Answer.json(422, {"detail": [missing]})
    if engine.settings.checks_ids and not UUID.fullmatch(query["id"][0]):
        return _limited(Answer.json(400, {"detail": "Invalid UUID format"}), 0)
    task = engine.store.find(query["id"][0])
    if task is None:
        return _limited(Answer.json(404, not_found(query["id"][0])), 0)
    if fault := engine.settings.poll_faults_by_host.get(str(request.host)):
        return _fault(str(fault), task)
    if task.host != request.host:
        return _limited(_fault(task.switches.wrong_cluster, task), task.polls)
    task = engine.store.change(task.id, _count)
    answer = _answer(engine, task, hop=int(query.get("hop", ["0"])[0]))
    return replace(_limited(answer, task.polls), pause=task.switches.poll_hang)


def polling_url(engine: Engine, task: Task) -> str:
    return f"{engine.origin_of(task)}/v1/get_result?id={task.id}"


def _count(task: Task) -> None:
    task.polls += 1


def _answer(engine: Engine, task: Task, *, hop: int) -> Answer:
    switches = task.switches
    if fault := nth_fault(switches, FAULTS, task.polls - 1) or engine.settings.poll_fault:
        return _fault(str(fault).removeprefix("poll_"), task)
    if switches.poll_redirect is not None or hop < switches.poll_redirect_hops:
        return redirection(switches.poll_redirect or f"/v1/get_result?id={task.id}&hop={hop + 1}")
    failed = task.finished_at is not None and switches.outcome != "ready"
    status = switches.failed_status if failed else None
    answer = Answer.json(status or 200, status_body(task, engine.urls(task)))
    return odd_answer(answer, switches.poll_json)


def _fault(name: str, task: Task) -> Answer:
    answers: dict[str, tuple[int, dict[str, Any]]] = {
        "404": (404, not_found(task.id)),
        "status_not_found": (200, not_found(task.id)),
        "not_found": (200, not_found(task.id)),
        "pending": (200, pending(task.id)),
    }
    if name in answers:
        return Answer.json(*answers[name])
    if name == "html":
        # With 200, as bot protection in front of an API does.
        return Answer.text(200, HTML, "text/html; charset=utf-8")
    if name == "hang":
        return replace(Answer.silence(), pause=HANG_SECONDS)
    return Answer.silence() if name == "cut" else refusal(int(name), task.switches.retry_after)


def _limited(answer: Answer, polls: int) -> Answer:
    """Add the rate limit headers that BFL sends with every answer to a poll."""
    reset = (time.time() // 60 + 1) * 60
    limits = {
        "Retry-After": "1",
        "X-Ratelimit-Limit": str(RATE_LIMIT),
        "X-Ratelimit-Remaining": str(max(0, RATE_LIMIT - polls)),
        "X-Ratelimit-Reset": str(reset),
    }
    return replace(answer, headers=limits | dict(answer.headers))
