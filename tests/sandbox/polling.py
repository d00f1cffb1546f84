"""`GET /v1/get_result`: what became of a task, and the ways in which BFL fails to say it."""

import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from tests.sandbox.delivery import redirection
from tests.sandbox.errors import refusal
from tests.sandbox.faults import nth_fault
from tests.sandbox.news import news, not_found, pending
from tests.sandbox.observations import Request
from tests.sandbox.studio import Studio
from tests.sandbox.switches import Switches
from tests.sandbox.task import Task
from tests.sandbox.wire import Answer

CLUSTER = "eu2"  # stands for the regional host of a real polling URL
RATE_LIMIT = 1200  # polls a minute
HTML = b"<!doctype html><title>Just a moment...</title><p>Checking your browser.</p>"


def poll(studio: Studio, request: Request) -> Answer:
    query = parse_qs(request.target.partition("?")[2])
    if "id" not in query:
        missing = {"loc": ["query", "id"], "msg": "Field required", "type": "missing"}
        return Answer.json(422, {"detail": [missing]})
    task = studio.ledger.find(query["id"][0])
    if task is None:
        return _limited(Answer.json(404, not_found(query["id"][0])), 0)
    task = studio.ledger.change(task.id, _count)
    answer = _answer(
        studio,
        task,
        in_cluster=query.get("cluster") == [CLUSTER],
        hop=int(query.get("hop", ["0"])[0]),
    )
    return replace(_limited(answer, task.polls), pause=task.switches.poll_hang)


def polling_url(studio: Studio, task: Task) -> str:
    # One origin cannot be two clusters, so the right one is told by its query.
    cluster = f"&cluster={CLUSTER}" if task.switches.wrong_cluster else ""
    return f"{studio.origin}/v1/get_result?id={task.id}{cluster}"


def _count(task: Task) -> None:
    task.polls += 1


def _answer(studio: Studio, task: Task, *, in_cluster: bool, hop: int) -> Answer:
    switches = task.switches
    if switches.wrong_cluster and not in_cluster:
        return _fault(switches.wrong_cluster, task)
    if fault := nth_fault(_ordered(switches), task.polls - 1) or studio.settings.poll_fault:
        return _fault(str(fault), task)
    if switches.poll_redirect is not None or hop < switches.poll_redirect_hops:
        return redirection(switches.poll_redirect or f"/v1/get_result?id={task.id}&hop={hop + 1}")
    if switches.poll_pending_forever:
        return _fault("pending", task)
    if _forgotten(task):
        return _fault("not_found", task)
    failed = task.finished_at is not None and switches.outcome != "ready"
    status = switches.failed_status if failed else None
    return Answer.json(status or 200, news(task, studio.urls(task)))


def _ordered(switches: Switches) -> list[tuple[str, int]]:
    return [
        ("404", switches.poll_404),
        ("not_found", switches.poll_status_not_found),
        ("429", switches.poll_429),
        ("503", switches.poll_503),
        ("500", switches.poll_500),
        ("html", switches.poll_html),
        ("cut", switches.poll_cut),
    ]


def _fault(name: str, task: Task) -> Answer:
    told: dict[str, tuple[int, dict[str, Any]]] = {
        "404": (404, not_found(task.id)),
        "not_found": (200, not_found(task.id)),
        "pending": (200, pending(task.id, task.switches.pending_word or "Pending")),
    }
    if name in told:
        return Answer.json(*told[name])
    if name == "html":
        # With 200, as a protection page in front of an API has it: the worst of both.
        return Answer.text(200, HTML, "text/html; charset=utf-8")
    return Answer.silence() if name == "cut" else refusal(int(name), task.switches.retry_after)


def _forgotten(task: Task) -> bool:
    end, after = task.finished_at, task.switches.forget_after
    return end is not None and after is not None and time.time() >= end + after


def _limited(answer: Answer, polls: int) -> Answer:
    """Every answer to a poll has these, also the good ones."""
    reset = (time.time() // 60 + 1) * 60
    limits = {
        "Retry-After": "1",
        "X-Ratelimit-Limit": str(RATE_LIMIT),
        "X-Ratelimit-Remaining": str(max(0, RATE_LIMIT - polls)),
        "X-Ratelimit-Reset": str(reset),
    }
    return replace(answer, headers=limits | dict(answer.headers))
