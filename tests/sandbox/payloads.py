"""The three shapes of a callback: of today, of before February 2026, and of BFL's `skills`."""

import time
from typing import Any

from tests.sandbox.task import Task
from tests.sandbox.task_status import MODERATED, seed, stamp, status_body

LEGACY_WORDS = {
    "ready": "SUCCESS",
    "error": "FAILED",
    "failed": "FAILED",
    "request_moderated": "Content Moderated",
    "content_moderated": "GENERATED CONTENT MODERATED",
    "not_found": "Task not found",
}
LEGACY_PENDING_WORDS = ("PENDING", "processing")


def final_payload(task: Task, urls: list[str]) -> dict[str, Any]:
    body = status_body(task, urls)
    if task.switches.payload == "legacy":
        switches, result = task.switches, body["result"]
        end = task.finished_at or task.created_at
        times = {"start_time": task.created_at, "end_time": end, "duration": end - task.created_at}
        word = LEGACY_WORDS[switches.outcome]
        old = {"task_id": task.id, "status": word, "result": None, "progress": body["progress"]}
        if result is not None:
            old["result"] = {**result, **times}
            del old["result"]["prompt"]
        if switches.outcome in MODERATED:
            old["details"] = body["details"]
        if switches.outcome in ("error", "failed"):
            old["error"] = switches.error_text
        return old
    if task.switches.payload == "skills":
        payload: dict[str, Any] = {"id": task.id, "status": "Ready"}
        if body["result"] is not None:
            skipped = ("start_time", "end_time", "duration")
            payload["result"] = {k: v for k, v in body["result"].items() if k not in skipped}
            payload["result"]["seed"] = seed(task)
        elif task.switches.outcome in MODERATED:
            message = f"Content was moderated: {', '.join(task.switches.reasons)}"
            payload |= {"status": "Error", "error": "content_policy_violation", "message": message}
        else:
            message = task.switches.error_text
            payload |= {"status": "Error", "error": "generation_failed", "message": message}
        return payload | {"timestamp": stamp(time.time())}
    return body | ({"cost": task.cost} if task.switches.cost_in_callback else {})


def progress_payload(task: Task, n: int, count: int) -> dict[str, Any]:
    """The n-th of `count` callbacks that say the task goes on."""
    progress = round((n + 1) / (count + 1), 2)
    if task.switches.payload == "legacy":
        word = LEGACY_PENDING_WORDS[n % 2]
        return {"task_id": task.id, "status": word, "result": None, "progress": progress}
    body = {"id": task.id, "status": "Generating" if n else "Pending", "result": None}
    if task.switches.payload == "skills":
        return body | {"timestamp": stamp(time.time())}
    return body | {"progress": progress, "details": None, "preview": None}
