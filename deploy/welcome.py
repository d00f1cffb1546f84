"""Welcome message of `make run`: addresses and keys, then the first sample or BFL's answer."""

import threading
from typing import Any

import requests

from deploy.dev_settings import DevSettings
from jobs.domain.errors import BflUnavailable
from jobs.services import build_bfl_clients
from jobs.signing import LOGIN_SECONDS, LoginSigner

MODEL = "flux-2-pro"
PROMPT = "a lighthouse at dawn"
SAMPLE_SECONDS = 60
TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.25


class Welcome(threading.Thread):
    """Print the message once the web process answers."""

    def __init__(self, dev: DevSettings) -> None:
        super().__init__(name="welcome", daemon=True)
        self._dev, self._stopped = dev, threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        while not self._is_healthy():
            if self._stopped.wait(POLL_SECONDS):
                return
        print(message(self._dev), flush=True)  # noqa: T201 - output for the terminal
        if text := self._sample() if self._dev.sandbox else self._bfl_key():
            print(text, flush=True)  # noqa: T201 - output for the terminal

    def _is_healthy(self) -> bool:
        try:
            return requests.get(f"{self._dev.url}/healthz", timeout=TIMEOUT_SECONDS).ok
        except requests.RequestException:
            return False

    def _sample(self) -> str | None:
        """Submit one job to an empty store, and wait until it has ended."""
        body = {"model": MODEL, "input": {"prompt": PROMPT}, "metadata": {"sample": "make run"}}
        try:
            if self._request("GET", "/api/jobs?limit=1")["jobs"]:
                return None
            job = self._request("POST", "/api/jobs", body)
            job = self._request("GET", f"/api/jobs/{job['id']}?wait={SAMPLE_SECONDS}")
        except requests.RequestException as error:
            return f"Sample: interrupted ({type(error).__name__})"
        return (
            f"Sample: {job['status']}, {job['media'][0]['url'] if job['media'] else job['error']}"
        )

    def _bfl_key(self) -> str:
        """BFL's answer about the key; asking costs nothing."""
        try:
            left = build_bfl_clients(self._dev.settings)[None].credits_left()
        except BflUnavailable as error:
            return f"BFL key: {error}"
        return f"BFL key: accepted, {left:,.10g} credits left"

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"x-key": self._dev.key("submit")}
        url = self._dev.url + path
        timeout = SAMPLE_SECONDS + TIMEOUT_SECONDS
        answer = requests.request(method, url, json=body, headers=headers, timeout=timeout)
        answer.raise_for_status()
        return answer.json()


def message(dev: DevSettings) -> str:
    lines = ["", f"Fluxkeep is running at {dev.url}", ""]
    # Only generated keys are shown: a given key may be in use elsewhere.
    if dev.has_generated_keys:
        lines.append(f"  admin key   {dev.key('admin')}")
        lines.append(f"  app key     {dev.key('submit')} (scope submit)")
    else:
        lines.append("  keys        as set in API_KEYS")
    lines += [
        *_about_bfl(dev),
        "  commands    .venv/bin/flask --app receiver jobs list",
        "  examples    README.md; `. var/run.env` sets its variables in another shell",
        f"  dashboard   {_login_link(dev)}",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _about_bfl(dev: DevSettings) -> list[str]:
    """Which BFL it is, what that costs, and how its results come."""
    if dev.sandbox:
        why = "because BFL_API_KEY is not set; nothing costs credits"
        return [f"  BFL         simulated by a sandbox at {dev.sandbox}, {why}"]
    settings = dev.settings
    results = "are polled from BFL, because PUBLIC_URL is not set"
    if settings.bfl_reaches_us:
        results = f"are sent by BFL to {settings.base_url}/webhooks/bfl"
    cost = "" if settings.has_sandbox else ": pictures and videos cost credits"
    return [f"  BFL         {settings.bfl_origin}{cost}", f"  results     {results}"]


def _login_link(dev: DevSettings) -> str:
    """A link for a single login."""
    admin = next((key for key in dev.settings.api_keys if key.scope == "admin"), None)
    if admin is None:
        return dev.url
    token = LoginSigner(dev.settings.secret_key).sign(admin.name)
    minutes = LOGIN_SECONDS // 60
    return f"{dev.settings.base_url}/login/{token} (for one login within {minutes} minutes)"
