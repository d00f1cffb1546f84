"""Welcome message of `make run`: addresses and keys, then the first sample or BFL's answer."""

import threading
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
        self._dev = dev
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        while not self._is_healthy():
            if self._stopped.wait(POLL_SECONDS):
                return
        print(message(self._dev), flush=True)  # noqa: T201 - output for the terminal
        if self._dev.sandbox:
            text = self._sample()
        else:
            text = self._bfl_answer()
        if text:
            print(text, flush=True)  # noqa: T201 - output for the terminal

    def _is_healthy(self) -> bool:
        try:
            return requests.get(f"{self._dev.url}/healthz", timeout=TIMEOUT_SECONDS).ok
        except requests.RequestException:
            return False

    def _bfl_answer(self) -> str:
        """Ask BFL about the key, which costs nothing."""
        client = build_bfl_clients(self._dev.settings)[None]
        try:
            credits_left = client.credits_left()
        except BflUnavailable as error:
            return f"BFL key: {error}"
        return f"BFL key: accepted, {credits_left:,.10g} credits left"

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
        outcome = job["error"]
        if job["media"]:
            outcome = job["media"][0]["url"]
        return f"Sample: {job['status']}, {outcome}"

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"x-key": self._dev.key("submit")}
        url = self._dev.url + path
        timeout = SAMPLE_SECONDS + TIMEOUT_SECONDS
        answer = requests.request(method, url, json=body, headers=headers, timeout=timeout)
        answer.raise_for_status()
        return answer.json()


def message(dev: DevSettings) -> str:
    """The address, the keys, the side of BFL (sandbox or real), and the next commands."""
    lines = [
        "",
        f"Fluxkeep is running at {dev.url}",
        "",
    ]
    lines += _lines_about_keys(dev)
    lines += _lines_about_bfl(dev)
    lines += [
        "  commands    .venv/bin/flask --app receiver jobs list",
        "  examples    README.md; `. var/run.env` sets its variables in another shell",
        f"  dashboard   {_dashboard_link(dev)}",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _lines_about_keys(dev: DevSettings) -> list[str]:
    """Only generated keys are shown: a key that was configured may be in use elsewhere."""
    if not dev.has_generated_keys:
        return ["  keys        as set in API_KEYS"]
    return [
        f"  admin key   {dev.key('admin')}",
        f"  app key     {dev.key('submit')} (scope submit)",
    ]


def _lines_about_bfl(dev: DevSettings) -> list[str]:
    settings = dev.settings
    if dev.sandbox:
        reason = f"because BFL_API_KEY is not set (from {GET_STARTED}); nothing costs credits"
        return [f"  BFL         simulated by a sandbox at {dev.sandbox}, {reason}"]
    cost = ": pictures and videos cost credits"
    if settings.has_sandbox:
        cost = ""
    results = "are polled from BFL, because PUBLIC_URL is not set"
    if settings.bfl_reaches_us:
        results = f"are sent by BFL to {settings.base_url}/webhooks/bfl"
    return [
        f"  BFL         {settings.bfl_origin}{cost}",
        f"  results     {results}",
    ]


def _dashboard_link(dev: DevSettings) -> str:
    """A link that logs in once, with the name of an admin key; the plain address without one."""
    settings = dev.settings
    for key in settings.api_keys:
        if key.scope == "admin":
            token = LoginSigner(settings.secret_key).sign(key.name)
            minutes = LOGIN_SECONDS // 60
            link = f"{settings.base_url}/login/{token}"
            return f"{link} (for one login within {minutes} minutes)"
    return dev.url
