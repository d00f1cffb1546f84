"""Welcome message of `make run`: addresses and keys, then the first sample or BFL's answer."""

import threading
from contextlib import suppress
from typing import Any

import requests

from deploy.dev_settings import DevSettings
from jobs.bfl.account_refusals import GET_STARTED
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
        is_healthy = False
        while not is_healthy:
            with suppress(requests.RequestException):
                url = f"{self._dev.url}/healthz"
                is_healthy = requests.get(url, timeout=TIMEOUT_SECONDS).ok
            if not is_healthy and self._stopped.wait(POLL_SECONDS):
                return
        print(message(self._dev), flush=True)  # noqa: T201 - output for the terminal
        text = self._sample() if self._dev.sandbox else None
        if not self._dev.sandbox:
            try:  # asking costs nothing
                left = build_bfl_clients(self._dev.settings)[None].credits_left()
                text = f"BFL key: accepted, {left:,.10g} credits left"
            except BflUnavailable as error:
                text = f"BFL key: {error}"
        if text:
            print(text, flush=True)  # noqa: T201 - output for the terminal

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

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"x-key": self._dev.key("submit")}
        url = self._dev.url + path
        timeout = SAMPLE_SECONDS + TIMEOUT_SECONDS
        answer = requests.request(method, url, json=body, headers=headers, timeout=timeout)
        answer.raise_for_status()
        return answer.json()


def message(dev: DevSettings) -> str:
    settings = dev.settings
    # Only generated keys are shown: a given key may be in use elsewhere.
    keys = ["  keys        as set in API_KEYS"]
    if dev.has_generated_keys:
        keys = [f"  admin key   {dev.key('admin')}"]
        keys.append(f"  app key     {dev.key('submit')} (scope submit)")
    if dev.sandbox:
        why = f"because BFL_API_KEY is not set (from {GET_STARTED}); nothing costs credits"
        about_bfl = [f"  BFL         simulated by a sandbox at {dev.sandbox}, {why}"]
    else:
        cost = "" if settings.has_sandbox else ": pictures and videos cost credits"
        results = "are polled from BFL, because PUBLIC_URL is not set"
        if settings.bfl_reaches_us:
            results = f"are sent by BFL to {settings.base_url}/webhooks/bfl"
        about_bfl = [f"  BFL         {settings.bfl_origin}{cost}", f"  results     {results}"]
    link, admin = dev.url, next((key for key in settings.api_keys if key.scope == "admin"), None)
    if admin:
        token, minutes = LoginSigner(settings.secret_key).sign(admin.name), LOGIN_SECONDS // 60
        link = f"{settings.base_url}/login/{token} (for one login within {minutes} minutes)"
    lines = [
        "",
        f"Fluxkeep is running at {dev.url}",
        "",
        *keys,
        *about_bfl,
        "  commands    .venv/bin/flask --app receiver jobs list",
        "  examples    README.md; `. var/run.env` sets its variables in another shell",
        f"  dashboard   {link}",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
