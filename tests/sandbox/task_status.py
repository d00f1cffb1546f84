"""Status of a task: the body of a poll, and the three shapes of a callback.

They are those of today, of before February 2026, and of BFL's `skills`.
"""

import time
from datetime import UTC, datetime
from typing import Any

from tests.sandbox.switches import Switches
from tests.sandbox.task import Task

FINAL_WORDS = {
    "ready": "Ready",
    "error": "Error",
    "failed": "Failed",
    "request_moderated": "Request Moderated",
    "content_moderated": "Content Moderated",
    "not_found": "Task not found",
}
MODERATED = ("request_moderated", "content_moderated")


def pending(task_id: str, word: str = "Pending", progress: float | None = None) -> dict[str, Any]:
    return {
        "id": task_id,
        "status": word,
        "result": None,
        "progress": progress,
        "details": None,
        "preview": None,
    }


def not_found(task_id: str) -> dict[str, Any]:
    return pending(task_id, "Task not found")


def status_body(task: Task, urls: list[str]) -> dict[str, Any]:
    """Return the status of a task; `urls` are its delivery URLs in order, if it succeeded."""
    if task.finished_at is None:
        return pending(task.id, *_stage(task))
    body = pending(task.id, FINAL_WORDS[task.switches.outcome])
    body["details"] = _details(task)
    if task.switches.outcome == "ready":
        body |= {"result": _result(task, urls), "progress": 1.0}
    is_billed = task.switches.outcome in ("ready", "content_moderated")
    is_named = task.switches.named_cost is not None
    if (is_billed or is_named) and task.switches.priced:
        body["cost"] = task.named_cost
    return body


def _stage(task: Task) -> tuple[str, float | None]:
    done = min(0.9, (time.time() - task.created_at) / max(task.seconds, 0.001))
    word = "Pending" if done < 0.3 else "Generating"
    if task.model.startswith("flux-3") and 0.2 <= done < 0.4:
        word = "Reasoning"
    progress = round(done, 1) if word == "Generating" else None
    return word, progress


def _details(task: Task) -> dict[str, Any] | str | None:
    switches = task.switches
    if switches.outcome in MODERATED:
        if switches.details_as == "string":
            return ", ".join(switches.reasons)
        return {"Moderation Reasons": switches.reasons} if switches.details_as == "dict" else None
    return {"error": switches.error_text} if switches.outcome in ("error", "failed") else None


def _result(task: Task, urls: list[str]) -> dict[str, Any]:
    prompt, end = str(task.input.get("prompt") or ""), task.finished_at or task.created_at
    result: dict[str, Any] = {"start_time": task.created_at, "prompt": prompt, "seed": seed(task)}
    if task.model.startswith("flux-2"):
        # FLUX.2 returns the prompt as it rewrote it.
        result["prompt"] = f"{prompt}, in fine detail".removeprefix(", ")
    else:
        result |= {"end_time": end, "duration": end - task.created_at}
    return result | _samples(task, urls) | task.switches.extra_result


def _samples(task: Task, urls: list[str]) -> dict[str, Any]:
    switches = task.switches
    if switches.sample == "missing" or not urls:
        return {}
    samples = [switches.sample_url, *urls[1:]] if switches.sample_url else urls
    fields = _fields("sample", samples[: switches.samples], switches)
    fields |= _fields("draft_cache", urls[switches.samples : task.drafts_end], switches)
    others = [{"kind": "depth", "file": {"href": url}} for url in urls[task.drafts_end :]]
    return fields | ({"extras": others} if others else {})


def _fields(name: str, urls: list[str], switches: Switches) -> dict[str, Any]:
    """The first file in a singular field; all files in a plural field, as in FLUX 3."""
    listed = len(urls) > 1 if switches.lists is None else switches.lists
    objects = switches.elements == "objects"
    elements = [{"url": url, "index": n} if objects else url for n, url in enumerate(urls)]
    plural = {f"{name}s": elements} if listed and urls else {}
    return ({name: urls[0]} if urls else {}) | plural


def seed(task: Task) -> int:
    """The caller's seed, or one derived from the task id."""
    given = task.input.get("seed")
    return given if isinstance(given, int) else int(task.id[:8], 16)


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
    return body | ({"cost": task.named_cost} if task.switches.cost_in_callback else {})


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
