"""One generation, the way an app uses Fluxkeep, so that there is something to see."""

import threading
from dataclasses import dataclass
from typing import Any

import requests

MODEL = "flux-2-pro"
PROMPT = "a lighthouse at dawn, drawn in ink"
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.25
UNFINISHED = ("queued", "submitted", "ready")


@dataclass(frozen=True)
class App:
    """Somebody's program that uses a Fluxkeep. Raises requests.RequestException on its way."""

    url: str
    key: str
    webhook_secret: str

    def healthy(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=TIMEOUT_SECONDS).ok
        except requests.RequestException:
            return False

    def generate(self, bfl_url: str) -> str:
        """Ask BFL for an image, tell Fluxkeep to expect it, and return the task's id."""
        webhook = {"webhook_url": f"{self.url}/webhooks/bfl", "webhook_secret": self.webhook_secret}
        body = {"prompt": PROMPT, **webhook}
        task = _json("POST", f"{bfl_url}/v1/{MODEL}", "any key will do", body)
        expected = {"model": MODEL, "metadata": {"sample": "make run"}}
        if polling_url := task.get("polling_url"):
            expected["polling_url"] = polling_url
        _json("PUT", f"{self.url}/api/jobs/{task['id']}", self.key, expected)
        return str(task["id"])

    def outcome(self, job_id: str, stop: threading.Event) -> dict[str, Any]:
        """The job when it has ended, or as it is when told to stop."""
        job = _json("GET", f"{self.url}/api/jobs/{job_id}", self.key)
        while job["status"] in UNFINISHED and not stop.wait(PAUSE_SECONDS):
            job = _json("GET", f"{self.url}/api/jobs/{job_id}", self.key)
        return job


def _json(method: str, url: str, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = requests.request(
        method, url, json=body, headers={"x-key": key}, timeout=TIMEOUT_SECONDS
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
