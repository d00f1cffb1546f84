"""Status of a task in BFL's current shape: the body of a poll and of a callback."""

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
        body |= {"cost": task.cost} if task.is_video and task.switches.priced else {}
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
